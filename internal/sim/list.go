package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// List is a list of operations to run one after the other.
type List []Op

// Op is one operation. Number is its name for the symbols of later ones; it
// stays when operations before it are left out.
type Op struct {
	Number int
	Do     Action
}

// Action is what an Op does. The set is closed.
type Action interface{ action() }

type (
	// Commit sends one transaction. Every Position, FencingToken, Born and
	// Deadline in it is a symbol.
	Commit struct{ Transaction mainstem.Transaction }

	// Repeat sends the transaction of an earlier Commit or Call again: as the
	// next attempt of a retry, or as a late copy of the last one.
	Repeat struct {
		Of   int
		Late bool
	}

	// Call is the functional form.
	Call struct {
		Group, ID string
		Program   Program
	}

	// Read opens a view and asks one question.
	Read struct {
		At    Level
		Since int // the symbol that AsOf and AtLeast mean
		Whole bool
		Group string
		Query mainstem.Query
	}

	// Step lets time pass.
	Step struct{ By time.Duration }

	// Restart closes the database and opens it again, where it can.
	Restart struct{}
)

func (Commit) action()  {}
func (Repeat) action()  {}
func (Call) action()    {}
func (Read) action()    {}
func (Step) action()    {}
func (Restart) action() {}

// Level names the consistency of a Read.
type Level = mainstem.Level

// Program is a function for Group.Do: it reads, and what it writes is made of
// what it read.
type Program struct {
	Get      []string // keys read; their values are the reply
	From, To string   // keys scanned, if From is not empty
	Stream   string   // stream read to its end, if not empty
	Put      string   // key that gets the reply
	Add      string   // counter that is added 1 to, with floor 0 and ceiling 3
	Append   string   // stream that gets the reply as an event
	Refuse   bool
}

// String is the list with one operation a line.
func (l List) String() string {
	var b strings.Builder
	for _, op := range l {
		fmt.Fprintf(&b, "%3d  %s\n", op.Number, op)
	}
	return b.String()
}

// String is the operation for a person to read; #n is what operation n
// brought about.
func (o Op) String() string {
	switch a := o.Do.(type) {
	case Commit:
		return "commit " + printed(&a.Transaction)
	case Repeat:
		return fmt.Sprintf("repeat #%d late=%t", a.Of, a.Late)
	case Call:
		return fmt.Sprintf("do %s/%s %+v", a.Group, a.ID, a.Program)
	case Read:
		return fmt.Sprintf("read %s level %d since #%d whole=%t %s", a.Group, a.At, a.Since, a.Whole, question(a.Query))
	case Step:
		return "step " + a.By.String()
	default:
		return fmt.Sprintf("%T", a)[len("sim."):]
	}
}

func question(q mainstem.Query) string {
	kinds := []string{"", "get", "scan", "events", "streams", "lease", "id", "history", "groups"}
	return fmt.Sprintf("%s group=%q name=%q to=%q after=%d max=%d", kinds[q.Kind], q.Group, q.Name, q.To, q.After, q.Max)
}

func printed(t *mainstem.Transaction) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s attempt %d", t.Group, t.ID, t.Attempt)
	if t.ID.Born != 0 {
		fmt.Fprintf(&b, " born #%d", t.ID.Born)
	}
	if t.Deadline != 0 {
		fmt.Fprintf(&b, " before #%d+5s", t.Deadline)
	}
	if t.Networked {
		b.WriteString(" networked")
	}
	if t.Refused {
		b.WriteString(" refused")
	}
	if t.Fingerprint != nil {
		fmt.Fprintf(&b, " fingerprint %q", t.Fingerprint)
	}
	for _, c := range t.Conditions {
		fmt.Fprintf(&b, " if %s", short(c))
	}
	for _, o := range t.Operations {
		if add, ok := o.(mainstem.Add); ok {
			fmt.Fprintf(&b, "; add %s %+d%s%s", add.Name, add.Delta, bound(" floor ", add.Floor), bound(" ceiling ", add.Ceiling))
			continue
		}
		fmt.Fprintf(&b, "; %s", short(o))
	}
	return b.String()
}

func short(v any) string { return strings.TrimPrefix(fmt.Sprintf("%#v", v), "mainstem.") }

func bound(word string, n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(word, *n)
}
