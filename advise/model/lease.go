package model

import "fmt"

// Lease is a resource that one holder at a time may touch.
type Lease struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	TTL     string `json:"ttl,omitempty"` // as the description has it; none while it is open
	Checked string `json:"checked"`       // yes, no or unknown: whether the resource refuses old tokens
	Says    string `json:"says"`
	Basis
}

// Step is one step of a workflow over several services.
type Step struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Service     string `json:"service,omitempty"`
	Compensable string `json:"compensable"` // yes, no or unknown
	Says        string `json:"says"`
	Basis
}

// Call is a system that is not the user's.
type Call struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	TakesID   string `json:"takes_id"` // yes, no or unknown
	Says      string `json:"says"`
	Unguarded bool   `json:"unguarded,omitempty"` // a repetition can do it twice
	Basis
}

func (p *proposal) leases() {
	for _, e := range p.elements("resources") {
		if !p.fires("fencing") {
			p.open("a lease for "+e.title, p.missing("fencing")...)
			continue
		}
		pause := p.value(e, "pause")
		l := Lease{Name: e.name, Title: e.title, TTL: pause.Text, Checked: p.value(e, "checks_token").String(), Basis: Basis{
			Reason:   "A holder that was paused does not know that its lease has passed on; the token, which only grows, is what stops its late write.",
			Rejected: "a lock that expires, without a token", WhyNot: "After a pause two write, each sure to be the only one.",
			Rules: []string{"fencing"}, Fields: []string{e.path("pause"), e.path("checks_token")},
		}}
		l.Says = map[string]string{
			"yes":     "the resource keeps the highest token that it has seen, and refuses lower ones",
			"no":      "the resource cannot check a token: put a store before it that can, or a late write gets through",
			"unknown": "nobody has said whether the resource can check a token; without it a late write gets through",
		}[l.Checked]
		if !pause.Known {
			p.open("how long the lease for "+e.title+" lives", e.path("pause"))
		}
		p.Leases = append(p.Leases, l)
	}
}

func (p *proposal) steps() {
	if !p.fires("saga") {
		return
	}
	for _, e := range p.elements("steps") {
		s := Step{Name: e.name, Title: e.title, Service: p.text(e, "service"), Compensable: p.value(e, "compensable").String(), Basis: Basis{
			Reason:   "Each step commits by itself, under an ID made of the workflow's and its own, so that it can be repeated and looked up.",
			Rejected: "two-phase commit over the services", WhyNot: "A coordinator that is lost blocks all of them.",
			Rules: []string{"saga"}, Fields: []string{e.path("name"), e.path("compensable")},
		}}
		s.Says = map[string]string{
			"yes":     "a transaction, and one that makes up for it, under an ID of its own",
			"no":      "a transaction that nothing makes up for: it goes last, after everything that may still fail",
			"unknown": "a transaction; whether something makes up for it nobody has said",
		}[s.Compensable]
		p.Steps = append(p.Steps, s)
	}
}

func (p *proposal) calls() {
	for _, e := range p.elements("externals") {
		takes := p.value(e, "takes_request_id")
		c := Call{Name: e.name, Title: e.title, TakesID: takes.String(), Unguarded: !takes.Yes(), Basis: Basis{
			Reason:   "Whether the call happened is not known after a crash, so its wish is recorded first, and the call is repeated from there.",
			Rejected: "calling it inside the transaction", WhyNot: "Locks are held for as long as it takes, and a rollback does not take the call back.",
			Rules: p.fired("one-log", "request-ids", "breaker-and-hedge"), Fields: []string{e.path("takes_request_id")},
		}}
		if len(p.Streams) == 0 {
			p.open("what "+e.title+" is called by", "operations[].key", "operations[].partitionable")
			continue
		}
		c.Says = fmt.Sprintf("called by a follower of the events, after the commit; its request ID is made of the change's position, so that %s recognises a repetition", e.title)
		switch {
		case takes.No():
			c.Says = "called by a follower of the events, after the commit; it does not take an ID, so ask it what it has done before a repetition, or accept that it can do it twice"
		case !takes.Known:
			c.Says = "called by a follower of the events, after the commit; whether it recognises a repetition nobody has said, so take it that it does not"
		}
		p.Calls = append(p.Calls, c)
	}
}
