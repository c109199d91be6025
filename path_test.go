package mainstem_test

import (
	"encoding/json"
	"testing"

	"github.com/mainstemdb/mainstem"
)

func TestPathGolden(t *testing.T) {
	for _, c := range []struct {
		text string
		path mainstem.Path
	}{
		{"order-42/total", mainstem.Path{Group: "order-42", Name: "total"}},
		{"order-42/", mainstem.Path{Group: "order-42"}},
		{"eu%2Fshop/a/b%c", mainstem.Path{Group: "eu/shop", Name: "a/b%c"}},
		{"100%25/é ~", mainstem.Path{Group: "100%", Name: "é ~"}},
		{"%252F/%2F", mainstem.Path{Group: "%2F", Name: "%2F"}},
		{"g//", mainstem.Path{Group: "g", Name: "/"}},
	} {
		if got := c.path.String(); got != c.text {
			t.Errorf("%+v is written %q, must be %q", c.path, got, c.text)
		}
		if got, err := mainstem.ParsePath(c.text); err != nil || got != c.path {
			t.Errorf("ParsePath(%q) = %+v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{"", "no-slash", "/name", "a%2fb/n", "a%/n", "a%41/n", "g/\x00", "g\xff/n", "g/\xff"} {
		if p, err := mainstem.ParsePath(text); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("ParsePath(%q) = %+v, %v, must be invalid", text, p, err)
		}
	}
}

func TestPathInJSON(t *testing.T) {
	b, err := json.Marshal(map[string]mainstem.Path{"at": {Group: "a/b", Name: "c"}})
	if err != nil || string(b) != `{"at":"a%2Fb/c"}` {
		t.Fatalf("%s, %v", b, err)
	}
	var back map[string]mainstem.Path
	if err := json.Unmarshal(b, &back); err != nil || back["at"] != (mainstem.Path{Group: "a/b", Name: "c"}) {
		t.Fatalf("%v, %v", back, err)
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("eu%2Fshop/a/b%c", "eu/shop", "a/b")
	f.Fuzz(func(t *testing.T, text, group, name string) {
		if p, err := mainstem.ParsePath(text); err == nil && p.String() != text {
			t.Fatalf("%q and %q are one path", text, p)
		}
		p := mainstem.Path{Group: group, Name: name}
		if p.Validate() != nil {
			return
		}
		if back, err := mainstem.ParsePath(p.String()); err != nil || back != p {
			t.Fatalf("%+v is written %q and read as %+v, %v", p, p, back, err)
		}
	})
}
