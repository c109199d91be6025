package page

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// answers are those of the worked workloads.
func answers(t *testing.T) map[string]*advise.Answer {
	t.Helper()
	files, err := filepath.Glob("../../examples/workloads/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d workloads, %v", len(files), err)
	}
	all := map[string]*advise.Answer{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		w, err := workload.Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[filepath.Base(name)] = advise.Advise(w)
	}
	return all
}

// strings are all texts of an answer, wherever they stand.
func texts(t *testing.T, a *advise.Answer) (all []string) {
	t.Helper()
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(key string, node any)
	walk = func(key string, node any) {
		switch node := node.(type) {
		case string:
			if !hidden[key] {
				all = append(all, node)
			}
		case []any:
			for _, one := range node {
				walk(key, one)
			}
		case map[string]any:
			for key, one := range node {
				walk(key, one)
			}
		}
	}
	walk("", tree)
	return all
}

// hidden are the fields that no page shows, because another says it: kinds, links
// between rules, and what stands in a command's place.
var hidden = map[string]bool{
	"kind": true, "rule": true, "source": true, "see": true, "note": true, "workload": true, "means": true, "cost": true,
	"reason": true, "because": true, "at": true, "verify": true, "run": true, "shows": true, "not_yet": true, "field": true, "name": true, "history": true,
}

var blank = regexp.MustCompile(`\s+`)

func flat(s string) string { return blank.ReplaceAllString(s, " ") }

// TestPagesSayEverything: no decision, cost, alternative or question of an answer is
// missing on a page, and both pages are the same every time.
func TestPagesSayEverything(t *testing.T) {
	unescaped := strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&", "&#43;", "+")
	for name, a := range answers(t) {
		text, err := Markdown(a)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		page, err := HTML(a)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plain, shown := flat(strings.ReplaceAll(text, `\|`, "|")), flat(unescaped.Replace(page))
		for _, one := range texts(t, a) {
			if !strings.Contains(plain, flat(one)) {
				t.Errorf("%s: the Markdown does not say %q", name, one)
			}
			if !strings.Contains(shown, flat(one)) {
				t.Errorf("%s: the HTML does not say %q", name, one)
			}
		}
		again, err := HTML(a)
		if err != nil || again != page {
			t.Errorf("%s: the page differs from itself: %v", name, err)
		}
		if strings.Contains(page, "http://") || strings.Contains(page, "<script") || strings.Contains(page, "<link") {
			t.Errorf("%s: the page needs something else", name)
		}
		if strings.Index(text, "## Assumed") > strings.Index(text+"## Decisions", "## Decisions") {
			t.Errorf("%s: what is assumed does not come first", name)
		}
	}
}

// TestNothingIsInjected: what a user wrote is text on the page.
func TestNothingIsInjected(t *testing.T) {
	evil := `<script>alert(1)</script> | x`
	a := &advise.Answer{
		Name: evil, Purpose: evil, Assumptions: []advise.Assumption{{Field: "`" + evil, Ask: evil, Assumed: evil}},
		Wishes:    []advise.Wish{{Words: evil, Anomaly: evil}},
		Decisions: []advise.Decision{{Title: evil, Costs: []string{evil}, Pays: []string{"code"}}},
		Model: &model.Model{
			Door: model.Entrance{Says: evil}, Groups: []model.Group{{Name: evil, For: []string{evil}}}, Streams: []model.Stream{{Group: evil, Name: evil}},
			Views: []model.View{{Title: evil, Follower: evil, Lag: evil, Kept: evil}}, Reads: []model.Read{{Title: evil, From: evil, At: "latest"}},
			Leases: []model.Lease{{Title: evil, TTL: evil}}, Calls: []model.Call{{Title: evil}}, Steps: []model.Step{{Title: evil, Service: evil}},
		},
		Traces: []advise.Trace{{History: evil + "\n```\n" + evil, Who: []string{evil}, Steps: []advise.Deed{{By: evil, Does: evil}}, After: evil}},
	}
	page, err := HTML(a)
	if err != nil || strings.Contains(page, "<script>") {
		t.Errorf("the page has a script of the user's: %v", err)
	}
	text, err := Markdown(a)
	if err != nil || !strings.Contains(text, "````text\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| "+"``") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 6 {
			t.Errorf("a cell became several: %s", line)
		}
	}
}
