package mainstem_test

import (
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

func TestIDText(t *testing.T) {
	made := mainstem.ID{Session: mainstem.SessionID{1, 2, 3}, Number: 42, Low: 1}
	for _, c := range []struct {
		text string
		id   mainstem.ID
	}{
		{"order-7", mainstem.ID{Opaque: "order-7"}},
		{"a/b c~é", mainstem.ID{Opaque: "a/b c~é"}},
		{"~AQIDAAAAAAAAAAAAAAAAAA.42", made},
	} {
		if got := c.id.String(); got != c.text {
			t.Errorf("%+v is written %q, must be %q", c.id, got, c.text)
		}
		if got, err := mainstem.ParseID(c.text); err != nil || got != c.id {
			t.Errorf("ParseID(%q) = %+v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{
		"", "~", "~AQIDAAAAAAAAAAAAAAAAAA", "~AQIDAAAAAAAAAAAAAAAAAA.0", "~AQIDAAAAAAAAAAAAAAAAAA.042",
		"~AQIDAAAAAAAAAAAAAAAAAA.+4", "~AQIDAAAAAAAAAAAAAAAAAB.4", "~AQID.4", "a\x00b", "a\xffb",
		"~AQIDAAAAAAAAAAAAAAAAAA.18446744073709551616",
	} {
		if id, err := mainstem.ParseID(text); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("ParseID(%q) = %+v, %v, must be invalid", text, id, err)
		}
	}
}

func TestIDValidate(t *testing.T) {
	session := mainstem.SessionID{9}
	for name, c := range map[string]struct {
		id   mainstem.ID
		code mainstem.Code
	}{
		"none":             {mainstem.ID{}, 0},
		"opaque":           {mainstem.ID{Opaque: "x", Born: 1}, 0},
		"longest":          {mainstem.ID{Opaque: strings.Repeat("x", mainstem.LimitName)}, 0},
		"too long":         {mainstem.ID{Opaque: strings.Repeat("x", mainstem.LimitName+1)}, mainstem.TooLarge},
		"reserved":         {mainstem.ID{Opaque: "~x"}, mainstem.Invalid},
		"born before":      {mainstem.ID{Opaque: "x", Born: -1}, mainstem.Invalid},
		"both":             {mainstem.ID{Opaque: "x", Session: session, Number: 1, Low: 1}, mainstem.Invalid},
		"made":             {mainstem.ID{Session: session, Number: 3, Low: 3}, 0},
		"low above number": {mainstem.ID{Session: session, Number: 3, Low: 4}, mainstem.Invalid},
		"no low":           {mainstem.ID{Session: session, Number: 3}, mainstem.Invalid},
	} {
		if err := c.id.Validate(); mainstem.CodeOf(err) != c.code {
			t.Errorf("%s: %v, must be code %v", name, err, c.code)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("order-7")
	f.Add("~AQIDAAAAAAAAAAAAAAAAAA.42")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := mainstem.ParseID(text)
		if err != nil {
			return
		}
		if id.String() != text {
			t.Fatalf("%q and %q are one ID", text, id)
		}
		if err := id.Validate(); err != nil {
			t.Fatalf("%q is parsed, and then invalid: %v", text, err)
		}
	})
}

// Two effects never share an ID, however the follower is called (L9).
func FuzzEffectID(f *testing.F) {
	f.Add("a", uint64(1), uint16(1), uint64(1), "a.b", uint64(1), uint16(1), uint64(1))
	f.Fuzz(func(t *testing.T, f1 string, i1 uint64, p1 uint16, n1 uint64, f2 string, i2 uint64, p2 uint16, n2 uint64) {
		a := mainstem.EffectID(f1, mainstem.Incarnation(i1), int(p1), mainstem.Position(n1))
		b := mainstem.EffectID(f2, mainstem.Incarnation(i2), int(p2), mainstem.Position(n2))
		if (a == b) != (f1 == f2 && i1 == i2 && p1 == p2 && n1 == n2) {
			t.Fatalf("%q and %q", a, b)
		}
	})
}

func TestEffectIDGolden(t *testing.T) {
	const want = "effect.AAAAAAAAAAcAAAADAAAAAAAAACo.mailer"
	got := mainstem.EffectID("mailer", 7, 3, 42)
	if got != want {
		t.Errorf("EffectID is %q, must stay %q", got, want)
	}
	if _, err := mainstem.ParseID(got); err != nil {
		t.Error(err)
	}
}
