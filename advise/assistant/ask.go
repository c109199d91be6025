package assistant

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/workload"
)

const (
	// LimitAnswers is the most answers that ask takes at once.
	LimitAnswers = 500
	// LimitQuestions is the most questions that it returns.
	LimitQuestions = 50
	someQuestions  = 5 // unless another number is asked for
)

// Asked is what ask returns.
type Asked struct {
	YAML      string         `json:"yaml"`              // the description, to be sent the next time
	Questions []ask.Question `json:"questions"`         // what matters most first
	Open      int            `json:"open"`              // how many there are
	Fired     []Entry        `json:"fired"`             // boundaries, contradictions and decisions so far
	Refused   []Refusal      `json:"refused,omitempty"` // answers that were not taken
}

// Refusal is an answer that was not taken, and why.
type Refusal struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

func askSchema() schema {
	return object(described(false).with(schema{
		"answers": schema{
			"type": "object", "maxProperties": LimitAnswers, "additionalProperties": schema{"type": "string"},
			"description": "Answers by path: {\"consistency.strong\": \"yes\", \"operations[0].rate\": \"200/s\"}. unknown says that the user does not know; none says of a list that it has no elements. An element exists once one of its fields is answered, the first being [0].",
		},
		"limit": schema{"type": "integer", "minimum": 1, "maximum": LimitQuestions, "description": fmt.Sprintf("How many questions to return; %d unless given.", someQuestions)},
	}))
}

func askTool(arguments json.RawMessage) (any, error) {
	var in struct {
		description
		Answers map[string]string `json:"answers"`
		Limit   int               `json:"limit"`
	}
	if err := read(arguments, &in); err != nil {
		return nil, err
	}
	switch {
	case len(in.Answers) > LimitAnswers:
		return nil, fmt.Errorf("%d answers, more than %d; send them in parts", len(in.Answers), LimitAnswers)
	case in.Limit < 0 || in.Limit > LimitQuestions:
		return nil, fmt.Errorf("limit is %d; it is 1 to %d", in.Limit, LimitQuestions)
	}
	w, err := in.decode()
	if err != nil {
		return nil, err
	}
	i := ask.Begin(w)
	refused := setAll(i, in.Answers)
	w = i.Workload()
	for _, s := range workload.Sections() {
		if s.Before == "" {
			continue
		}
		if err := i.Set(s.Path, "yes"); err != nil { // nobody is tired by a long list of questions but people
			return nil, err
		}
	}
	open := slices.DeleteFunc(i.Open(), func(q ask.Question) bool {
		n, _ := w.Count(q.Path)
		return q.About == ask.Element && n > 0 // one that has told of some tells of others when there are any
	})
	out := Asked{YAML: string(w.YAML()), Open: len(open), Questions: open[:min(len(open), cmp.Or(in.Limit, someQuestions))], Refused: refused, Fired: []Entry{}}
	for _, r := range i.Fired() {
		out.Fired = append(out.Fired, Entry{r.ID, r.Kind, r.Title, r.Source})
	}
	if out.Questions == nil {
		out.Questions = []ask.Question{}
	}
	return out, nil
}

// setAll takes answers in whatever order they fit: an element is there once the
// one before it is.
func setAll(i *ask.Interview, answers map[string]string) (refused []Refusal) {
	left := slices.Sorted(maps.Keys(answers))
	for progress := true; progress; {
		progress, refused = false, nil
		var again []string
		for _, path := range left {
			if err := i.Set(path, answers[path]); err != nil {
				refused = append(refused, Refusal{path, why(path, err)})
				again = append(again, path)
				continue
			}
			progress = true
		}
		left = again
	}
	return refused
}

// why is an error without the path that stands beside it.
func why(path string, err error) string {
	var bad workload.Problems
	if errors.As(err, &bad) {
		return bad[0].Path + ": " + bad[0].What
	}
	text := strings.TrimPrefix(err.Error(), "workload: ")
	return strings.TrimPrefix(text, path+": ")
}
