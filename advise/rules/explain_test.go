package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestExplain has what people type, and what has to come first.
func TestExplain(t *testing.T) {
	for term, want := range map[string]string{
		"saga":            "saga",
		"Split-Brain":     "split-brain",
		"compare and set": "compare-and-set",
		"tail_latency":    "tail_latency",
		"000:40":          "saga",
		"two nodes both think they are the leader":      "split-brain",
		"user saves and the old value comes back":       "disappearing-write",
		"customers say data was lost after saving":      "disappearing-write",
		"everything is down because one service failed": "cascade",
		"two processes hold the same lock":              "phantom-lock",
		"database overloaded when the cache expires":    "stampede",
		"conflicting writes accepted":                   "split-brain",
		"the job ran twice although it was locked":      "phantom-lock",
	} {
		hits := Explain(term)
		if len(hits) == 0 || hits[0].ID != want {
			t.Errorf("%q: %v, want %s first", term, names(hits), want)
		}
	}
	if hits := Explain("write skew"); len(hits) == 0 || hits[0].ID != "serializable" || hits[1].ID != "weak-isolation" {
		t.Errorf("write skew: %v", names(hits))
	}
	for _, nothing := range []string{"", "   ", "zebra crossing", "the of and", "?!"} {
		if hits := Explain(nothing); len(hits) != 0 {
			t.Errorf("%q: %v, want nothing", nothing, names(hits))
		}
	}
	if hits := Explain("000:4"); len(hits) != 1 || hits[0].Text != "heading" {
		t.Errorf("a heading: %v", names(hits))
	}
}

func names(hits []Hit) (ids []string) {
	for _, h := range hits {
		ids = append(ids, h.ID)
	}
	return ids
}

// TestExplainFindsEverySymptom: each symptom as it is written leads to its rule.
func TestExplainFindsEverySymptom(t *testing.T) {
	for _, r := range All() {
		for _, s := range r.Symptoms {
			if hits := Explain(s); len(hits) == 0 || hits[0].ID != r.ID {
				t.Errorf("%q: %v, want %s", s, names(hits), r.ID)
			}
		}
	}
}

func TestExplainAsksOthers(t *testing.T) {
	other := func(term string) []Hit {
		return []Hit{{ID: "serializable", Kind: "level", Title: term, Score: 95}}
	}
	if hits := Explain("linearizable", other); len(hits) < 2 || hits[0].ID != "linearizable" || hits[1].Kind != "level" {
		t.Errorf("got %v", names(hits))
	}
}

func TestTermIsCut(t *testing.T) {
	term := "saga" + strings.Repeat(" ", LimitTerm-4)
	if hits := Explain(term); len(hits) == 0 || hits[0].ID != "saga" {
		t.Errorf("at the limit: %v", names(hits))
	}
	if hits := Explain(term + "stampede"); len(hits) == 0 || hits[0].ID != "saga" {
		t.Errorf("beyond the limit: %v", names(hits))
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "limits.md"))
	if err != nil || LimitTerm != 1000 || !strings.Contains(string(page), "| 1,000 B | `rules.LimitTerm` |") {
		t.Errorf("LimitTerm is %d, and docs/reference/limits.md says something else (%v)", LimitTerm, err)
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("000:19")
	f.Add("lock")
	f.Add(strings.Repeat("ß ", LimitTerm))
	f.Fuzz(func(t *testing.T, term string) {
		hits := Explain(term)
		if len(hits) > 10 || !slices.Equal(names(hits), names(Explain(term))) {
			t.Errorf("%d hits, or not the same twice", len(hits))
		}
	})
}
