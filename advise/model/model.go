// Package model proposes where the data of a workload lives: groups, keys,
// streams, event types, views and leases, and what has to stay outside. Each part
// names the rules and the fields that it stands on, and the way that was not
// taken. What nobody has said is listed as open; nothing is proposed from it.
package model

import (
	"slices"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// Basis is what a part stands on.
type Basis struct {
	Reason   string   `json:"reason"`
	Rejected string   `json:"rejected"` // the other way
	WhyNot   string   `json:"why_not"`
	Rules    []string `json:"rules"`  // decisions that fired
	Fields   []string `json:"fields"` // of the description
}

// Door is one of the ways into Mainstem.
type Door string

// The doors.
const (
	PG       Door = "pg"       // inside the SQL transactions of a PostgreSQL
	Embedded Door = "embedded" // in one process; the same code works through a server
)

// Model is a proposal. The zero Model proposes nothing.
type Model struct {
	Door     Entrance  `json:"door"`
	Requests *Requests `json:"requests,omitempty"`
	Groups   []Group   `json:"groups,omitempty"`
	Keys     []Key     `json:"keys,omitempty"`
	Streams  []Stream  `json:"streams,omitempty"`
	Events   []Event   `json:"events,omitempty"`
	Views    []View    `json:"views,omitempty"`
	Reads    []Read    `json:"reads,omitempty"`
	Leases   []Lease   `json:"leases,omitempty"`
	Steps    []Step    `json:"steps,omitempty"`
	Calls    []Call    `json:"calls,omitempty"`
	Outside  []Outside `json:"outside,omitempty"` // decisions that nothing here implements
	Open     []Open    `json:"open,omitempty"`
}

// Entrance is the door that is proposed.
type Entrance struct {
	Door Door   `json:"door"`
	Says string `json:"says"`
	Basis
}

// Outside is a decision that something else has to implement.
type Outside struct {
	Rule string `json:"rule"`
	Use  string `json:"use"`
}

// Open is a part that cannot be proposed yet.
type Open struct {
	What    string   `json:"what"`
	Missing []string `json:"missing"` // fields that would decide it
}

// Judge says what a rule came to on the workload.
type Judge func(rule string) rules.Finding

// Propose makes a model of a workload whose rules have been judged. The same
// workload gives the same model. Two operations, reads, resources or derived data
// of one name are parts of their own, told apart by number.
func Propose(w *workload.Workload, judge Judge) *Model {
	p := &proposal{w: w, judge: judge}
	p.entrance()
	p.requests()
	p.groups()
	p.streams()
	p.views()
	p.reads()
	p.leases()
	p.steps()
	p.calls()
	p.outside()
	return &p.Model
}

// proposal is a model in the making.
type proposal struct {
	Model
	w          *workload.Workload
	judge      Judge
	operations []operation
}

// operation is an operation that changes something and has a group.
type operation struct {
	element
	kind  string // write or decide
	group string
	hot   bool
}

func (p *proposal) fired(ids ...string) (found []string) {
	for _, id := range ids {
		if p.judge(id).Truth == rules.True {
			found = append(found, id)
		}
	}
	return found
}

func (p *proposal) fires(id string) bool { return len(p.fired(id)) > 0 }

// missing are the fields for which rules wait that have not fired.
func (p *proposal) missing(ids ...string) (fields []string) {
	for _, id := range ids {
		if f := p.judge(id); f.Truth == rules.Unknown {
			fields = append(fields, f.Missing...)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// open lists a part that waits for fields; without any it is not open, only not there.
func (p *proposal) open(what string, missing ...string) {
	if len(missing) > 0 {
		p.Open = append(p.Open, Open{What: what, Missing: missing})
	}
}

// entrance is inside a PostgreSQL where there is one, or where a second copy is
// needed, which no other door has.
func (p *proposal) entrance() {
	n, _ := p.w.Count("architecture.stores")
	for i := range n {
		path := element{list: "architecture.stores", index: i}.path("engine")
		if p.w.Get(path).Text != "postgresql" {
			continue
		}
		p.Door = Entrance{PG, "package pg, in the PostgreSQL that is there", Basis{
			Reason:   "Change, event and request commit in the SQL transaction that you have already; nothing new has to be run.",
			Rejected: "embedded, or a server of its own", WhyNot: "Rows would stay in PostgreSQL, and a change of both would be two commits.",
			Rules: p.fired("one-log", "request-ids"), Fields: []string{path},
		}}
		return
	}
	if p.fires("synchronous-copy") {
		p.Door = Entrance{PG, "package pg, on a PostgreSQL with a synchronous standby", Basis{
			Reason:   "Nothing acknowledged may be lost with a machine, so a second one has to have it first; PostgreSQL can do that.",
			Rejected: "a cluster of nodes on a log with copies (mainstem serve --log)", WhyNot: "It keeps the copies as well, and is one more thing to run; choose it where the data should not be rows.",
			Rules: []string{"synchronous-copy"}, Fields: []string{"objectives.rpo", "consistency.coordination_bearable"},
		}}
		return
	}
	if missing := p.missing("synchronous-copy"); len(missing) > 0 || !p.known("architecture.stores") {
		p.open("the door: pg, or embedded", slices.Concat(missing, p.unknown("architecture.stores", "architecture.stores[].engine"))...)
		return
	}
	p.Door = Entrance{Embedded, "package embedded in one process, or the same code through a server", Basis{
		Reason:   "There is no PostgreSQL in which it could live, and no second copy is asked for before the acknowledgement.",
		Rejected: "package pg", WhyNot: "It would bring in a database server for this alone.",
		Rules: []string{}, Fields: append([]string{"architecture.stores[].engine"}, p.paths("synchronous-copy")...),
	}}
}

// paths are the fields by which a rule was decided.
func (p *proposal) paths(id string) (fields []string) {
	for _, f := range p.judge(id).Facts {
		fields = append(fields, f.Path)
	}
	return fields
}

func (p *proposal) known(list string) bool {
	_, known := p.w.Count(list)
	return known
}

// unknown is a field of a list that nobody has described.
func (p *proposal) unknown(list, field string) []string {
	if p.known(list) {
		return nil
	}
	return []string{field}
}

// outside are the decisions that Mainstem does not implement.
func (p *proposal) outside() {
	for _, r := range rules.All() {
		if r.Kind == rules.Decision && r.Unbuilt != "" && p.fires(r.ID) {
			p.Outside = append(p.Outside, Outside{Rule: r.ID, Use: r.Unbuilt})
		}
	}
}
