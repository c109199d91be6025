package workload

import (
	"regexp"
	"strings"
	"testing"
)

var sourceForm = regexp.MustCompile(`^(000|002):[1-9]\d*$`)

// TestTable holds every row of the table to what its readers need.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	count := 0
	for _, s := range Sections() {
		if s.Title == "" || seen[s.Path] {
			t.Errorf("section %s: no title, or there twice", s.Path)
		}
		seen[s.Path] = true
		if s.List != (s.One != "") || (s.One+s.Before != "") != (s.Why != "" && s.Unknown != "") || s.Before != "" && !strings.HasSuffix(s.Before, "?") {
			t.Errorf("section %s: a list says what one is called; what is asked of a section has a reason and a cost", s.Path)
		}
		for _, f := range s.Fields {
			count++
			if seen[f.Path] || f.Ask == "" || f.Why == "" || f.Unknown == "" {
				t.Errorf("%s: there twice, or without question, reason, or what not knowing costs", f.Path)
			}
			seen[f.Path] = true
			if !strings.HasSuffix(f.Ask, "?") || !plainName(f.Name) {
				t.Errorf("%s: a name is plain, and a question ends in a question mark: %q", f.Path, f.Ask)
			}
			if v, err := f.Parse(f.Example); err != nil || !v.Known {
				t.Errorf("%s: the example %q is no value: %v", f.Path, f.Example, err)
			}
			if (f.Kind == Choice) != (len(f.Options) > 1) || f.Kind == Number && f.Max == "" {
				t.Errorf("%s: a choice has options, a number has limits", f.Path)
			}
			for _, src := range f.Sources {
				if !sourceForm.MatchString(src) {
					t.Errorf("%s: source %q is not like 000:6", f.Path, src)
				}
			}
			if f.If != nil {
				if on, ok := Lookup(f.If.Path); !ok || !seen[f.If.Path] {
					t.Errorf("%s: depends on %s, which is not asked before it", f.Path, f.If.Path)
				} else if v, err := on.Parse(f.If.Value); err != nil || !v.Known {
					t.Errorf("%s: depends on a value that cannot be: %v", f.Path, err)
				}
			}
		}
	}
	if count < 100 {
		t.Errorf("%d fields: this does not see the table", count)
	}
}

func TestTableIsStrict(t *testing.T) {
	for _, bad := range []string{
		"- {section: a, titel: b}",
		"- {section: a, title: b, fields: [{name: x, kind: duration, max: 3}]}",
		"- section: [",
	} {
		if _, err := readTable([]byte(bad)); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}

func TestLookupTakesIndexes(t *testing.T) {
	for path, want := range map[string]bool{
		"operations[0].rate": true, "operations[].rate": true, "architecture.stores[12].isolation": true,
		"operations.rate": false, "load": false, "": false, "operations[": false, "load.access.": false,
	} {
		if _, ok := Lookup(path); ok != want {
			t.Errorf("Lookup(%q) found: %t", path, ok)
		}
	}
}
