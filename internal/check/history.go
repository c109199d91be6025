package check

import "fmt"

// Outcome is what a client was told of a transaction.
type Outcome uint8

// The outcomes.
const (
	Committed Outcome = iota
	Aborted
	Undecided // it may have committed
)

// Step is one operation of a transaction: an append of an element, or a read of
// a whole list.
type Step struct {
	List    string
	Element int   // appended, if not 0; no two appends to a list are the same
	Read    []int // what a read returned
}

// Append is the step that appends an element, which is not 0.
func Append(list string, element int) Step { return Step{List: list, Element: element} }

// Read is the step that read a list.
func Read(list string, elements ...int) Step { return Step{List: list, Read: elements} }

// Transaction is one transaction as a client saw it. Start and End are of one
// monotonic clock; a transaction with End 0 has no place in real time.
type Transaction struct {
	Name       string
	Outcome    Outcome
	Steps      []Step
	Start, End int64
}

// Anomaly is one thing that no serial order explains.
type Anomaly struct {
	// Name is Adya's (G0, G1a, G1b, G1c, G-single, G2), with "-realtime" where
	// only the clock shows it; or internal, duplicate, garbage, incompatible.
	Name string
	// Why names transactions, lists and elements.
	Why string
}

func (a Anomaly) String() string { return a.Name + ": " + a.Why }

// element is one appended element.
type element struct {
	list  string
	value int
}

// ledger is what is known of a history before edges are drawn.
type ledger struct {
	txs    []Transaction
	writer map[element]int  // which transaction appended it
	last   map[element]bool // it is the last that its transaction appended to the list
	order  map[string][]int // per list, the longest read: the order of versions
	found  []Anomaly
}

func (l *ledger) bad(name, format string, args ...any) {
	l.found = append(l.found, Anomaly{Name: name, Why: fmt.Sprintf(format, args...)})
}

// read builds the ledger: who wrote what, in what order, and what is wrong
// already with single reads.
func read(txs []Transaction) *ledger {
	l := &ledger{txs: txs, writer: map[element]int{}, last: map[element]bool{}, order: map[string][]int{}}
	for i, t := range txs {
		newest := map[string]int{}
		for _, s := range t.Steps {
			if s.Element != 0 {
				l.writer[element{s.List, s.Element}] = i
				newest[s.List] = s.Element
			}
		}
		for list, value := range newest {
			l.last[element{list, value}] = true
		}
	}
	for i, t := range txs {
		if t.Outcome == Committed {
			l.transaction(i)
		}
	}
	return l
}

// transaction judges the reads of one committed transaction.
func (l *ledger) transaction(i int) {
	own := map[string][]int{}
	for _, s := range l.txs[i].Steps {
		if s.Element != 0 {
			own[s.List] = append(own[s.List], s.Element)
			continue
		}
		mine := own[s.List]
		outside := len(s.Read) - len(mine)
		if outside < 0 || !equal(s.Read[outside:], mine) {
			l.bad("internal", "%s read %s as %v after appending %v itself", l.txs[i].Name, s.List, s.Read, mine)
			continue
		}
		l.elements(i, s.List, s.Read[:outside])
		l.versions(i, s.List, s.Read[:outside])
	}
}

// elements judges where the elements of a read came from.
func (l *ledger) elements(i int, list string, seen []int) {
	name, once := l.txs[i].Name, map[int]bool{}
	for n, value := range seen {
		w, known := l.writer[element{list, value}]
		switch {
		case once[value]:
			l.bad("duplicate", "%s read %d twice in %s: %v", name, value, list, seen)
		case !known:
			l.bad("garbage", "%s read %d in %s, which nobody appended", name, value, list)
		case l.txs[w].Outcome == Aborted:
			l.bad("G1a", "%s read %d in %s, which %s appended and took back", name, value, list, l.txs[w].Name)
		case n == len(seen)-1 && w != i && !l.last[element{list, value}]:
			l.bad("G1b", "%s read %s up to %d, in the middle of %s", name, list, value, l.txs[w].Name)
		}
		once[value] = true
	}
}

// versions keeps the longest read as the order of the list's versions.
func (l *ledger) versions(i int, list string, seen []int) {
	longest := l.order[list]
	if !equal(longest[:min(len(longest), len(seen))], seen[:min(len(longest), len(seen))]) {
		l.bad("incompatible", "%s read %s as %v, another as %v", l.txs[i].Name, list, seen, longest)
	}
	if len(seen) > len(longest) {
		l.order[list] = seen
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
