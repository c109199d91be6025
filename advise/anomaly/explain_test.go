package anomaly

import (
	"os"
	"strings"
	"testing"
)

// TestExplain: names come first, users' words find what they mean, and every one of the
// words that are listed finds its own anomaly.
func TestExplain(t *testing.T) {
	for term, want := range map[string]string{
		"lost_update": "lost_update", "Write Skew": "write_skew", "P4": "lost_update", "oracle serializable": "oracle serializable", "postgresql snapshot": "postgresql repeatable_read",
		"causal consistency": "causal", "exactly once": "effectively_once", "avro int_to_long": "avro int_to_long", "linearizable": "linearizable",
		"two customers got the last item": "double_spend", "my post is not in the feed": "read_your_writes_violation", "charged twice": "duplicate_effect",
	} {
		got := Explain(term)
		if len(got) == 0 || got[0].Name != want {
			t.Errorf("%s: %+v; want %s", term, got, want)
		}
	}
	for _, a := range All() {
		for _, phrase := range a.Words {
			if got := Explain(phrase); len(got) == 0 || got[0].Name != a.Name {
				t.Errorf("%q: %+v; want %s", phrase, got, a.Name)
			}
		}
	}
	for _, none := range []string{"", " ", "the of", "quantum chromodynamics", strings.Repeat("x", 5000)} {
		if got := Explain(none); len(got) != 0 {
			t.Errorf("%.20q: %+v", none, got)
		}
	}
	if got := Explain("serializable"); len(got) < 5 || len(got) > 10 {
		t.Errorf("%d entries", len(got))
	}
	for _, e := range Explain("oracle serializable") {
		if e.Text == "" || e.Title == "" || len(e.Source) == 0 {
			t.Errorf("%+v", e)
		}
	}
}

// TestTermIsCut on both sides of the limit, which is the one in the reference.
func TestTermIsCut(t *testing.T) {
	const term = "lost_update"
	pad := strings.Repeat(" ", LimitTerm-len(term))
	if got := Explain(pad + term); len(got) == 0 || got[0].Name != term {
		t.Errorf("%d bytes: %+v", LimitTerm, got)
	}
	if got := Explain(pad + " " + term); len(got) > 0 && got[0].Score == 100 {
		t.Errorf("%d bytes: %+v", LimitTerm+1, got)
	}
	raw, err := os.ReadFile("../../docs/reference/limits.md")
	if err != nil || LimitTerm != 1000 || !strings.Contains(string(raw), "| 1,000 B | `anomaly.LimitTerm` |") {
		t.Errorf("LimitTerm is %d, and docs/reference/limits.md says something else (%v)", LimitTerm, err)
	}
}

func FuzzExplain(f *testing.F) {
	for _, seed := range []string{"lost update", "\xff", "postgresql:serializable", strings.Repeat("é", 700)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, term string) {
		got := Explain(term)
		for i, e := range got {
			if e.Score < 1 || e.Score > 100 || i > 0 && e.Score > got[i-1].Score {
				t.Fatalf("%q: %+v", term, got)
			}
		}
	})
}
