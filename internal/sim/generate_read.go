package sim

import "github.com/mainstemdb/mainstem"

func (g *generator) call(group string) Action {
	c := Call{Group: group, ID: g.opaque()}
	p := &c.Program
	if g.IntN(3) == 0 {
		c.ID = ""
	}
	for g.IntN(3) > 0 {
		p.Get = append(p.Get, pick(g, append(counters, keys...)))
	}
	if g.IntN(3) == 0 {
		p.From, p.To = "k1", pick(g, []string{"", "k2"})
	}
	if g.IntN(3) == 0 {
		p.Stream = pick(g, streams)
	}
	if g.IntN(2) == 0 {
		p.Put = pick(g, keys[1:])
	}
	if g.IntN(3) == 0 {
		p.Add = pick(g, counters)
	}
	if g.IntN(3) == 0 {
		p.Append = pick(g, streams)
	}
	p.Refuse = g.IntN(8) == 0
	return c
}

func (g *generator) read(group string) Action {
	r := Read{Group: group, At: mainstem.LevelLatest, Query: g.query(group)}
	levels := []Level{mainstem.LevelLatest, mainstem.LevelWithin, mainstem.LevelAtLeast, mainstem.LevelLocal}
	r.At = pick(g, levels)
	r.Since = g.symbol(group)
	switch r.Query.Kind {
	case mainstem.QueryGet, mainstem.QueryScan, mainstem.QueryEvents, mainstem.QueryStreams:
		if g.IntN(3) == 0 && r.Since > 0 {
			r.At = mainstem.LevelAsOf
		}
	case mainstem.QueryGroups:
		r.Whole, r.Group = true, ""
	}
	return r
}

func (g *generator) query(group string) mainstem.Query {
	q := mainstem.Query{Kind: mainstem.QueryKind(1 + g.IntN(8)), Group: group}
	switch q.Kind {
	case mainstem.QueryGet, mainstem.QueryHistory:
		q.Name = pick(g, append(counters, keys...))
	case mainstem.QueryScan:
		q.Name, q.To, q.Max = pick(g, []string{"", "k1"}), pick(g, []string{"", "k2", "n"}), pick(g, []int{0, 1, 2})
	case mainstem.QueryEvents:
		q.Name, q.After, q.Max = pick(g, streams), uint64(g.IntN(3)), pick(g, []int{0, 1, 2})
	case mainstem.QueryStreams:
		q.Name, q.To = "", pick(g, []string{"", "s1"})
	case mainstem.QueryLease:
		q.Name = pick(g, leases)
	case mainstem.QueryID:
		q.Name = g.opaque()
	case mainstem.QueryGroups:
		q.Group = ""
	}
	return q
}

// foreign names a second group in every form that the contract has room for:
// a question for another group than the view's, a lease token, an ID and a
// compensation of another group. (A Transaction has one Group, and a Txn
// belongs to one, so there is no other.)
func (g *generator) foreign(group string) Action {
	other := pick(g, groups)
	for other == group {
		other = pick(g, groups)
	}
	switch g.IntN(3) {
	case 0:
		return Read{Group: group, At: mainstem.LevelLatest, Query: mainstem.Query{Kind: mainstem.QueryGet, Group: other, Name: "k"}}
	case 1:
		t := g.transaction(group)
		t.Conditions = []mainstem.Condition{mainstem.LeaseHeld{Lease: other + "/" + leases[0], Token: g.token(other)}}
		return Commit{Transaction: t}
	default:
		return Read{Whole: true, At: mainstem.LevelLatest, Query: mainstem.Query{Kind: mainstem.QueryGet, Group: other, Name: "k"}}
	}
}
