package anomaly

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Entry is one answer to Explain.
type Entry struct {
	Kind   string   `json:"kind"` // anomaly, level, model, delivery, system, change or question
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Text   string   `json:"text"` // what it means, over several lines
	Source []string `json:"source,omitempty"`
	Score  int      `json:"score"` // 100 is its name; less is by words
}

// LimitTerm is the longest term that is looked at, in bytes; more is cut off.
const LimitTerm = 1000

// Explain finds what a term means: an anomaly by name or in a user's words, a level
// ("oracle serializable", "repeatable read"), a consistency model, delivery semantics,
// a product's settings, a change of a schema. The best come first, ten at most; nothing
// that fits is an empty list.
func Explain(term string) []Entry {
	term = strings.ToLower(strings.TrimSpace(term[:min(len(term), LimitTerm)]))
	asked := words(term)
	if len(asked) == 0 {
		return nil
	}
	found := []Entry{}
	for _, c := range candidates() {
		score := 0
		for _, name := range c.names {
			if plain(name) == plain(term) {
				score = 100
			}
		}
		for _, phrase := range c.phrases {
			score = max(score, overlap(asked, words(phrase))*9/10)
		}
		if score >= 54 {
			c.entry.Score = score
			found = append(found, c.entry)
		}
	}
	slices.SortStableFunc(found, func(a, b Entry) int { return cmp.Compare(b.Score, a.Score) })
	return found[:min(len(found), 10)]
}

// candidate is what a term is compared with: names have to be equal, and of the words of
// a phrase most have to be there.
type candidate struct {
	entry          Entry
	names, phrases []string
}

var candidates = sync.OnceValue(func() (all []candidate) {
	for _, a := range anomalyTable() {
		text := a.Means + "\n" + a.Trace.Text() + "wrong: " + a.Wrong + "\nprevented by: " + strings.Join(a.Prevented, "; ")
		all = append(all, candidate{
			Entry{Kind: "anomaly", Name: a.Name, Title: a.Title, Text: text, Source: a.Source},
			slices.Concat([]string{a.Name, a.Title}, a.Also), a.Words,
		})
	}
	for _, m := range modelTable() {
		prevents, err := Prevents(m.Name)
		if err != nil {
			continue // the data is tested to have it
		}
		text := m.Means + "\nimplies: " + orNone(m.Implies) + "\nprevents: " + orNone(prevents) + "\navailable during a partition: " + m.Available + "\ncosts: " + strings.Join(m.Costs, "; ")
		all = append(all, candidate{Entry{Kind: "model", Name: m.Name, Title: m.Title, Text: text, Source: m.Source}, append([]string{m.Name, m.Title}, m.Also...), []string{m.Title}})
	}
	for _, e := range engineTable() {
		for _, l := range e.Levels {
			all = append(all, levelCandidate(e, l))
		}
	}
	for _, d := range deliveryTable() {
		text := d.Means + "\nneeds: " + strings.Join(d.Needs, "; ") + "\nloses: " + strings.Join(d.Loses, "; ")
		all = append(all, candidate{Entry{Kind: "delivery", Name: d.Name, Title: d.Title, Text: text, Source: d.Source}, append([]string{d.Name, d.Title}, d.Also...), nil})
	}
	return slices.Concat(all, systemCandidates(), changeCandidates())
})

func levelCandidate(e Engine, l Level) candidate {
	text := l.How + "\nprevents: " + orNone(l.Prevents) + "\nadmits: " + orNone(l.Admits)
	partly := []string{}
	for name, when := range l.Partly {
		partly = append(partly, "\npartly "+name+": "+when)
	}
	slices.Sort(partly)
	text += strings.Join(partly, "") + "\nbeware: " + strings.Join(e.Traps, "\nbeware: ")
	names := []string{l.Name, e.Name + " " + l.Name, e.Name + ":" + l.Name}
	for _, other := range l.Aliases {
		names = append(names, e.Name+" "+other)
	}
	return candidate{Entry{Kind: "level", Name: e.Name + " " + l.Name, Title: e.Title + " " + l.Title, Text: text, Source: l.Source}, names, nil}
}

func systemCandidates() (all []candidate) {
	for _, s := range systemTable() {
		names := []string{s.System, s.PACELC()}
		if s.CAP() != "" {
			names = append(names, s.CAP())
		}
		text := s.Setting + ": " + s.Why + " In a partition it keeps " + s.Partition + ", otherwise it prefers " + s.Otherwise + "."
		all = append(all, candidate{Entry{Kind: "system", Name: s.System + " (" + s.Setting + ")", Title: s.PACELC(), Text: text, Source: []string{s.Source}}, names, nil})
	}
	return all
}

func changeCandidates() (all []candidate) {
	for _, c := range changeTable() {
		text := "compatible: " + c.Compatibility() + "\nupgrade " + c.Order()
		if c.Note != "" {
			text += "\n" + c.Note
		}
		all = append(all, candidate{
			Entry{Kind: "change", Name: c.Format + " " + c.Name, Title: c.Title, Text: text, Source: []string{c.Source}},
			[]string{c.Name, c.Format + " " + c.Name},
			nil,
		})
	}
	return all
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// empty says nothing about what happened.
var empty = strings.Fields("a an the and or of to in on at by for with from it its is are was were be been that this we our my i has have had not no as but if so all")

// words are the words of a text that say something, without the commonest endings.
func words(text string) (found []string) {
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		for _, end := range []string{"ing", "ed", "es", "s"} {
			if cut, ok := strings.CutSuffix(w, end); ok && len(cut) >= 3 {
				w = cut
				break
			}
		}
		if !slices.Contains(empty, w) && !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	return found
}

// overlap is how many words both texts have, beside how many a text has on average, in
// percent.
func overlap(a, b []string) int {
	both := 0
	for _, w := range a {
		if slices.Contains(b, w) {
			both++
		}
	}
	return 100 * both / max(1, (len(a)+len(b)+1)/2)
}
