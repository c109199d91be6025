package anomaly

import (
	"slices"
	"strings"
)

// retold is a history in the words of whoever described a workload.
type retold struct {
	Name  string            `yaml:"name"`
	Needs []string          `yaml:"needs"` // words without which it is told as it stands
	By    map[string]string `yaml:"by"`    // who acts, in place of whom
	Steps []string          `yaml:"steps"` // one for each of the history
	Wrong string            `yaml:"wrong"`
}

var retoldTable = table[retold]("retold.yaml")

// Told is a history as an example.
type Told struct {
	Trace Trace
	Wrong string
	Own   bool // in the words that were given; else as in the literature
}

// Retell tells the history of an anomaly with the words of a workload: write and decide
// (operations), read, key, view and resource. Where words are missing that it needs it is
// told as it stands. It has the steps of the history, in its order, by as many who act.
// The error is an *UnknownError.
func Retell(name string, cast map[string]string) (Told, error) {
	a, err := Lookup(name)
	if err != nil {
		return Told{}, err
	}
	plain := Told{Trace: Trace{Steps: slices.Clone(a.Trace.Steps), After: a.Trace.After}, Wrong: a.Wrong}
	all := retoldTable()
	i := slices.IndexFunc(all, func(r retold) bool { return r.Name == a.Name })
	if i < 0 || slices.ContainsFunc(all[i].Needs, func(word string) bool { return cast[word] == "" }) {
		return plain, nil
	}
	r := all[i]
	var braces []string
	for _, word := range Cast {
		said := cast[word]
		if said == "" {
			said = map[string]string{"key": "record"}[word]
		}
		braces = append(braces, "{"+word+"}", said)
	}
	say := strings.NewReplacer(braces...).Replace
	told := Told{Wrong: say(r.Wrong), Own: true}
	for n, s := range a.Trace.Steps {
		told.Trace.Steps = append(told.Trace.Steps, Step{By: say(r.By[s.By]), Does: say(r.Steps[n])})
	}
	return told, nil
}

// Cast are the words that Retell takes.
var Cast = []string{"write", "decide", "read", "key", "view", "resource"}
