package rules

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// Hit is one answer to Explain: a rule, or what another source knows.
type Hit struct {
	ID    string `json:"id"`
	Kind  string `json:"kind"`           // a Kind, threshold, line, or what another source calls it
	Title string `json:"title"`          // in one line
	Text  string `json:"text"`           // the matched symptom, or what it says
	Rule  *Rule  `json:"rule,omitempty"` // nil if it is none
	Score int    `json:"score"`          // 100 is exact; hits are listed from the best
	Why   string `json:"why,omitempty"`  // what matched
}

// LimitTerm is the longest term that is explained, in bytes.
const LimitTerm = 1000

// Source explains terms of its own: anomalies, isolation levels, calculators.
// Hits carry scores as those of Explain do.
type Source func(term string) []Hit

// Explain finds what a term means: the ID of a rule, an anomaly by name, a
// line of a guide (000:19), a threshold, or a symptom in a user's words. The best
// hits come first, ten at most; none is an empty list.
func Explain(term string, more ...Source) []Hit {
	if len(term) > LimitTerm {
		term = term[:LimitTerm]
	}
	term = strings.TrimSpace(strings.ToLower(term))
	if term == "" {
		return nil
	}
	hits := slices.Concat(byName(term), byLine(term), byAnomaly(term), byWords(term))
	for _, source := range more {
		hits = append(hits, source(term)...)
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	hits = firstOfEach(hits)
	return hits[:min(len(hits), 10)]
}

// firstOfEach drops later hits on the same thing.
func firstOfEach(hits []Hit) []Hit {
	seen := map[string]bool{}
	return slices.DeleteFunc(hits, func(h Hit) bool {
		key := h.Kind + " " + h.ID
		again := seen[key]
		seen[key] = true
		return again
	})
}

func hit(r Rule, score int, text, why string) Hit {
	return Hit{ID: r.ID, Kind: string(r.Kind), Title: r.Title, Text: text, Rule: &r, Score: score, Why: why}
}

func byName(term string) (hits []Hit) {
	name := strings.Join(strings.FieldsFunc(term, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), "-")
	for _, r := range ruleTable() {
		if r.ID == name || strings.EqualFold(r.Title, term) {
			hits = append(hits, hit(r, 100, r.Decide, "its name"))
		}
	}
	for _, t := range thresholdTable() {
		if t.Name == strings.ReplaceAll(name, "-", "_") {
			hits = append(hits, Hit{ID: t.Name, Kind: "threshold", Title: t.Means, Text: t.Value, Score: 100, Why: "its name"})
		}
	}
	return hits
}

func byLine(term string) (hits []Hit) {
	document, number, ok := strings.Cut(term, ":")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return nil
	}
	for _, d := range documentTable() {
		for _, l := range d.Lines {
			if d.ID != document || l.Number != n {
				continue
			}
			if l.Narrative != "" {
				hits = append(hits, Hit{ID: term, Kind: "line", Title: d.Title + ", line " + number, Text: l.Narrative, Score: 100, Why: "its line"})
			}
			for _, id := range l.Rules {
				if r, found := Lookup(id); found {
					hits = append(hits, hit(r, 100, r.Decide, "its line"))
				}
			}
		}
	}
	return hits
}

// byAnomaly lists what lets an anomaly in, and what prevents it.
func byAnomaly(term string) (hits []Hit) {
	name := strings.NewReplacer(" ", "_", "-", "_").Replace(term)
	if !IsAnomaly(name) || name == "unknown" {
		return nil
	}
	for _, r := range ruleTable() {
		switch {
		case slices.Contains(r.Prevents, name):
			hits = append(hits, hit(r, 90, r.Decide, "prevents "+name))
		case slices.Contains(r.Opens, name):
			hits = append(hits, hit(r, 85, r.Decide, "opens the door to "+name))
		case slices.Contains(r.Remains, name):
			hits = append(hits, hit(r, 40, r.Decide, "leaves "+name))
		}
	}
	return hits
}

// byWords compares words with the symptoms, causes, titles and conditions of
// rules: a rare word counts more, and half of the weight has to be there.
func byWords(term string) (hits []Hit) {
	asked := words(term)
	if len(asked) == 0 {
		return nil
	}
	v := vocabularyTable()
	for i, r := range ruleTable() {
		best, text := 0, ""
		for _, t := range v.texts[i] {
			if s := overlap(asked, t.words, v.weigh); s > best {
				best, text = s, t.text
			}
		}
		if best >= 50 {
			hits = append(hits, hit(r, best*8/10, text, "its words"))
		}
	}
	return hits
}

// phrase is a text with its words.
type phrase struct {
	text  string
	words []string
}

// vocabulary is what a user's words are compared with, read once.
type vocabulary struct {
	texts [][]phrase     // by rule
	in    map[string]int // how many rules have a word
}

var vocabularyTable = sync.OnceValue(func() *vocabulary {
	v := &vocabulary{in: map[string]int{}}
	for _, r := range ruleTable() {
		var phrases []phrase
		for _, t := range texts(&r) {
			phrases = append(phrases, phrase{t, words(t)})
		}
		v.texts = append(v.texts, phrases)
		found := slices.Clone(phrases[len(phrases)-1].words)
		slices.Sort(found)
		for _, w := range slices.Compact(found) {
			v.in[w]++
		}
	}
	return v
})

// weigh is the weight of a word, from 1 to 10: the fewer rules have it the more.
func (v *vocabulary) weigh(word string) int { return max(1, 10-v.in[word]) }

// texts are what a user's words are compared with, the likeliest first and all
// of it together last.
func texts(r *Rule) []string {
	all := slices.Concat(r.Symptoms, []string{r.Title, r.Detect}, r.Causes)
	for i := range r.When {
		r.When[i].walk("", func(leaf *Condition, _ string) { all = append(all, leaf.Says) })
	}
	return append(all, strings.Join(all, " "))
}

// overlap is the weight of the asked words that are there, in percent.
func overlap(asked, there []string, weigh func(string) int) int {
	have, all := 0, 0
	for _, w := range asked {
		all += weigh(w)
		if slices.Contains(there, w) {
			have += weigh(w)
		}
	}
	return 100 * have / all
}

// emptyWords say nothing about a symptom.
var emptyWords = strings.Fields("a an the and or of to in on at by for with from it its is are was were be been after before " +
	"when while what who that this we our my they their he she you your i has have had not no as but if so then there all")

// words are the stems of the words that say something, in order.
func words(s string) []string {
	var found []string
	for _, w := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if !slices.Contains(emptyWords, w) && len(w) > 1 {
			found = append(found, stem(w))
		}
	}
	return found
}

// synonyms are words of users for those of the rules.
var synonyms = map[string]string{
	"vanish": "disappear", "missing": "disappear", "gone": "lost", "lose": "lost", "loss": "lost", "db": "database", "twice": "two",
	"double": "two", "both": "two", "master": "leader", "primary": "leader", "follower": "replica", "slave": "replica", "secondary": "replica",
	"mutex": "lock", "crash": "fail", "outage": "down", "slow": "latency", "overload": "load", "expiry": "expire", "saw": "see", "seen": "see",
}

// stem takes the endings off that English puts on, roughly and always alike.
func stem(w string) string {
	if s, ok := synonyms[w]; ok {
		return s
	}
	for _, end := range []string{"ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "e"} {
		if cut, ok := strings.CutSuffix(w, end); ok && len(cut) >= 3 {
			w = cut
			break
		}
	}
	if s, ok := synonyms[w]; ok {
		return s
	}
	return strings.TrimSuffix(w, "e")
}
