package ask

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// Interview is a conversation about one workload. It is not safe for
// concurrent use.
type Interview struct {
	state
	trail []state // before each answer, for Back
	next  *Question
}

// state is what answers change.
type state struct {
	w       *workload.Workload
	closed  map[string]bool // lists that get no further element
	opened  map[string]bool // parts that apply
	filling string          // the list whose elements are being told
	section string          // of the last question
}

func (s state) clone() state {
	return state{w: s.w.Clone(), closed: maps.Clone(s.closed), opened: maps.Clone(s.opened), filling: s.filling, section: s.section}
}

// stay is how many times as much a question of another section has to be worth
// to change the subject: who is led from one to the other and back loses the thread.
const stay = 2

// Begin begins with what is known already, which stays as it is: nothing that
// was answered, also with unknown, is asked again.
func Begin(w *workload.Workload) *Interview {
	return &Interview{state: state{w: w.Clone(), closed: map[string]bool{}, opened: map[string]bool{}}}
}

// Workload is what was said so far. It is valid at any time.
func (i *Interview) Workload() *workload.Workload { return i.w.Clone() }

// Next is the question to ask now. There is none when nothing that is still
// open would change the answer.
func (i *Interview) Next() (q Question, more bool) {
	if i.next == nil {
		q, _ = i.choose() // the zero Question where there is none
		i.next = &q
	}
	return *i.next, i.next.Path != ""
}

// become takes on what an answer, or taking it back, leads to.
func (i *Interview) become(s state) { i.state, i.next = s, nil }

func (i *Interview) choose() (q Question, more bool) {
	about := workload.Sections()[0]
	for _, f := range about.Fields { // no rule reads them; they head the answer, and the file
		if !i.w.Said(f.Path) {
			return ofField(i.w, about, f.Path, nil), true
		}
	}
	d := demandsOf(i.w)
	if q, more = i.element(d); more {
		return q, true
	}
	open := i.open(d)
	if len(open) == 0 {
		return Question{}, false
	}
	for _, q := range open {
		if q.Section == i.section && stay*q.worth >= open[0].worth {
			return q, true
		}
	}
	return open[0], true
}

// Open are the questions that are open now, what matters most first. An answer
// can close some of them, and open others.
func (i *Interview) Open() []Question { return i.open(demandsOf(i.w)) }

// open ranks fields, lists and parts; what is worth the same is in the order of
// the description.
func (i *Interview) open(d demands) (open []Question) {
	for _, s := range workload.Sections() {
		part, hidden := i.hiddenBy(s)
		switch {
		case hidden && part.Path == s.Path:
			if all := d.below(s.Path + "."); all.worth > 0 {
				open = append(open, ofPart(s, all))
			}
		case hidden:
		case s.List:
			open = append(open, i.ofElements(s, d)...)
		default:
			for _, f := range s.Fields {
				if one := d[f.Path]; one != nil {
					open = append(open, ofField(i.w, s, f.Path, one))
				}
			}
		}
	}
	slices.SortStableFunc(open, func(a, b Question) int { return cmp.Compare(b.worth, a.worth) })
	return open
}

// hiddenBy is the part that has to be opened before a section is asked about.
func (i *Interview) hiddenBy(s workload.Section) (part workload.Section, hidden bool) {
	for _, p := range workload.Sections() {
		below := s.Path == p.Path || strings.HasPrefix(s.Path, p.Path+".")
		if p.Before != "" && below && !i.opened[p.Path] && !i.touched(p.Path) {
			return p, true
		}
	}
	return workload.Section{}, false
}

// touched is true of a part of which something was said.
func (i *Interview) touched(part string) bool {
	for _, s := range workload.Sections() {
		if s.Path != part && !strings.HasPrefix(s.Path, part+".") {
			continue
		}
		if _, known := i.w.Count(listOf(s)); s.List && known {
			return true
		}
		if !s.List && slices.ContainsFunc(s.Fields, func(f workload.Field) bool { return i.w.Said(f.Path) }) {
			return true
		}
	}
	return false
}

// ofElements are the open questions of a list: the fields of its elements, and
// whether there is another.
func (i *Interview) ofElements(s workload.Section, d demands) (open []Question) {
	list := listOf(s)
	n, known := i.w.Count(list)
	if !known {
		if all := d.below(s.Path + "."); all.worth > 0 && !i.closed[list] {
			open = append(open, ofList(s, 0, all))
		}
		return open
	}
	for e := range n {
		for _, f := range s.Fields {
			if path := fmt.Sprintf("%s[%d].%s", list, e, f.Name); d[path] != nil {
				open = append(open, ofField(i.w, s, path, d[path]))
			}
		}
	}
	if more := i.another(s, n); more.worth > 0 {
		open = append(open, ofList(s, n, more))
	}
	return open
}

// another is who would wait for the fields of one more element.
func (i *Interview) another(s workload.Section, n int) demand {
	list := listOf(s)
	if n == 0 || i.closed[list] {
		return demand{}
	}
	w := i.w.Clone()
	if err := w.AddElement(list); err != nil {
		return demand{}
	}
	return demandsOf(w).below(fmt.Sprintf("%s[%d].", list, n))
}

// element goes on with the list whose elements are being told: its fields, in
// the order of the description, and then whether there is another.
func (i *Interview) element(d demands) (Question, bool) {
	for _, s := range workload.Sections() {
		if !s.List || listOf(s) != i.filling {
			continue
		}
		n, _ := i.w.Count(i.filling)
		at := fmt.Sprintf("%s[%d].", i.filling, n-1)
		for j, f := range s.Fields {
			if path := at + f.Name; n > 0 && !i.w.Said(path) && (j == 0 || d[path] != nil) {
				return ofField(i.w, s, path, d[path]), true
			}
		}
		if more := i.another(s, n); more.worth > 0 {
			return ofList(s, n, more), true
		}
	}
	return Question{}, false
}

// Fired are the boundaries, contradictions and decisions that what was said so
// far comes to, in the order of the data.
func (i *Interview) Fired() (fired []rules.Rule) {
	turned := false
	for _, r := range table() {
		of := r.Kind == rules.Boundary || !turned && (r.Kind == rules.Contradiction || r.Kind == rules.Decision)
		if of && r.Eval(i.w).Truth == rules.True {
			turned = turned || r.Kind == rules.Boundary
			fired = append(fired, r)
		}
	}
	return fired
}
