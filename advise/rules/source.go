package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Document is one of the two guides.
type Document struct {
	ID    string `json:"id"    yaml:"id"`    // 000, 002
	File  string `json:"file"  yaml:"file"`  // its name
	Title string `json:"title" yaml:"title"` // what it is
	Lines []Line `json:"lines" yaml:"lines"`
}

// Line is a line of a guide that is not blank: which rules come from it, or
// why none does.
type Line struct {
	Number    int      `json:"line"                yaml:"line"`
	Sum       string   `json:"sum"                 yaml:"sum"` // first 12 digits of its SHA-256, without the line end
	Rules     []string `json:"rules,omitempty"     yaml:"rules"`
	Narrative string   `json:"narrative,omitempty" yaml:"narrative"`
}

var documentTable = sync.OnceValue(func() []Document {
	var all []Document
	if err := readData("sources.yaml", &all); err != nil {
		panic("rules: " + err.Error()) //tidy:panic the embedded data is what TestSources reads
	}
	return all
})

// Documents are both guides, line by line.
func Documents() []Document { return slices.Clone(documentTable()) }

// lines are the document and the line numbers of a source: 000:6, 002:41-63.
func lines(source string) (document string, first, last int, err error) {
	document, numbers, _ := strings.Cut(source, ":")
	from, to, isRange := strings.Cut(numbers, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || first < 1 || last < first {
		return "", 0, 0, fmt.Errorf("%q is no source; it is written like 000:6 or 002:41-63", source)
	}
	return document, first, last, nil
}

// From are the rules that come from a line of a guide.
func From(document string, line int) (ids []string) {
	for _, r := range ruleTable() {
		for _, s := range r.Source {
			if d, first, last, err := lines(s); err == nil && d == document && first <= line && line <= last {
				ids = append(ids, r.ID)
			}
		}
	}
	return ids
}
