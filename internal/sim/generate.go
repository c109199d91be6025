package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Names are few, so that operations meet.
var (
	groups   = []string{"a", "b", "č/d"}
	keys     = []string{"k", "k1", "k2", "k20", "m"}
	counters = []string{"n", "n1"}
	streams  = []string{"s", "s1"}
	leases   = []string{"l", "l1"}
)

// Steps are multiples of ten seconds and every TTL and deadline ends five
// seconds off, so that no answer hangs on which of two equal times is the later.
const tick = 10 * time.Second

// generator makes a list from a seed.
type generator struct {
	*rand.Rand
	list    List
	commits map[string][]int // numbers of commits and calls, by group
	passed  time.Duration
	session mainstem.SessionID
	number  uint64
}

// Generate is a list of n operations. All of it passes in less than the ten
// minutes of log age for which everything is kept.
func Generate(r *rand.Rand, n int) List {
	g := &generator{Rand: r, commits: map[string][]int{}}
	for i := range g.session {
		g.session[i] = byte(r.Uint32())
	}
	for len(g.list) < n {
		g.add(g.action())
	}
	return g.list
}

func (g *generator) add(a Action) {
	number := len(g.list) + 1
	switch a := a.(type) {
	case Commit:
		g.commits[a.Transaction.Group] = append(g.commits[a.Transaction.Group], number)
	case Call:
		g.commits[a.Group] = append(g.commits[a.Group], number)
	}
	g.list = append(g.list, Op{Number: number, Do: a})
}

func (g *generator) action() Action {
	group := pick(g, groups)
	switch p := g.IntN(100); {
	case p < 45:
		return Commit{Transaction: g.transaction(group)}
	case p < 55:
		return g.call(group)
	case p < 65 && len(g.commits[group]) > 0:
		return Repeat{Of: pick(g, g.commits[group]), Late: g.IntN(4) == 0}
	case p < 85:
		return g.read(group)
	case p < 92 && g.passed < 8*time.Minute:
		by := tick * time.Duration(1+g.IntN(6))
		g.passed += by
		return Step{By: by}
	case p < 94:
		return Restart{}
	default:
		return g.foreign(group)
	}
}

func pick[T any](g *generator, of []T) T { return of[g.IntN(len(of))] }

// symbol is the number of an earlier commit in the group, mostly a late one, or 0.
func (g *generator) symbol(group string) int {
	made := g.commits[group]
	if len(made) == 0 || g.IntN(8) == 0 {
		return 0
	}
	return made[len(made)-1-min(g.IntN(len(made)), g.IntN(len(made)))]
}

func (g *generator) transaction(group string) mainstem.Transaction {
	t := mainstem.Transaction{Group: group, Attempt: 1, ID: g.id(group)}
	for g.IntN(2) == 0 {
		t.Conditions = append(t.Conditions, g.condition(group))
	}
	if g.IntN(12) == 0 {
		t.Refused, t.Reply = true, g.bytes("no")
		return t
	}
	for range 1 + g.IntN(4) {
		t.Operations = append(t.Operations, g.operation(group))
	}
	// Whether a transaction can void its own ID is nobody's business.
	t.Operations = slices.DeleteFunc(t.Operations, func(o mainstem.Operation) bool {
		v, ok := o.(mainstem.Void)
		return ok && v.ID == t.ID.Opaque
	})
	if g.IntN(2) == 0 {
		t.Reply = g.bytes("yes")
	}
	if g.IntN(10) == 0 {
		t.Deadline = mainstem.LogAge(g.symbol(group))
	}
	t.Networked = g.IntN(4) == 0
	t.Meta.Actor = pick(g, []string{"", "ann", "bob"})
	return t
}

// id is a new library-made ID, or one of a few of the caller's own: the same
// one comes again with other operations, and is then a retry.
func (g *generator) id(group string) mainstem.ID {
	if g.IntN(2) == 0 {
		g.number++
		return mainstem.ID{Session: g.session, Number: g.number, Low: 1}
	}
	id := mainstem.ID{Opaque: pick(g, []string{g.opaque(), g.opaque(), g.opaque(), g.voidable()})}
	if g.IntN(4) == 0 {
		id.Born = mainstem.LogAge(g.symbol(group))
	}
	return id
}

func (g *generator) opaque() string { return fmt.Sprintf("id-%d", g.IntN(40)) }

func (g *generator) voidable() string { return fmt.Sprintf("void-%d", g.IntN(5)) }

func (g *generator) bytes(word string) []byte { return fmt.Appendf(nil, "%s-%d", word, len(g.list)+1) }

func (g *generator) position(group string) mainstem.Position {
	return mainstem.Position(g.symbol(group))
}

func (g *generator) token(group string) mainstem.FencingToken {
	return mainstem.FencingToken(g.symbol(group))
}

func (g *generator) condition(group string) mainstem.Condition {
	key := pick(g, keys)
	switch g.IntN(9) {
	case 0:
		return mainstem.KeyAbsent{Name: key}
	case 1, 2:
		return mainstem.KeyUnchanged{Name: key, Since: g.position(group)}
	case 3:
		return mainstem.KeyEquals{Name: pick(g, counters), Value: mainstem.Int(int64(g.IntN(3)))}
	case 4:
		return mainstem.StreamLength{Stream: pick(g, streams), Length: uint64(g.IntN(4))}
	case 5:
		return mainstem.RangeUnchanged{From: "k1", To: pick(g, []string{"", "k2", "k3"}), Since: g.position(group)}
	case 6:
		return mainstem.StreamsUnchanged{From: "s", To: pick(g, []string{"", "s1"}), Since: g.position(group)}
	case 7:
		return mainstem.LeaseHeld{Lease: pick(g, leases), Token: g.token(group)}
	default:
		return mainstem.Committed{ID: g.opaque()}
	}
}

func (g *generator) operation(group string) mainstem.Operation {
	key := pick(g, keys)
	switch g.IntN(15) {
	case 0, 1, 2:
		return mainstem.Put{Name: key, Value: mainstem.Bytes(g.bytes("v"))}
	case 3:
		return mainstem.Put{Name: key, Value: mainstem.Bytes(g.bytes("short")), TTL: g.ttl()}
	case 4:
		return mainstem.Put{Name: pick(g, counters), Value: mainstem.Int(int64(g.IntN(5))), TTL: pick(g, []time.Duration{0, g.ttl()})}
	case 5:
		return mainstem.Delete{Name: pick(g, append(counters, key))}
	case 6, 7:
		return g.addition()
	case 8, 9:
		events := make([]mainstem.Event, 1+g.IntN(3))
		for i := range events {
			events[i] = mainstem.Event{Type: "t", Data: g.bytes("e")}
		}
		return mainstem.Append{Stream: pick(g, streams), Events: events}
	case 10:
		return mainstem.Acquire{Lease: pick(g, leases), Owner: string(g.bytes("owner")), TTL: 35 * time.Second}
	case 11:
		return mainstem.Renew{Lease: pick(g, leases), Token: g.token(group), TTL: 35 * time.Second}
	case 12:
		return mainstem.Release{Lease: pick(g, leases), Token: g.token(group)}
	case 13:
		return pick(g, []mainstem.Operation{
			mainstem.Emit{Topic: "topic", Event: mainstem.Event{Type: "t", Data: g.bytes("m")}},
			mainstem.Void{ID: g.voidable()},
		})
	default:
		return mainstem.Present{Lease: "elsewhere", Token: mainstem.FencingToken(g.IntN(6))}
	}
}

func (g *generator) ttl() time.Duration { return tick*time.Duration(g.IntN(4)) + tick/2 }

func (g *generator) addition() mainstem.Operation {
	a := mainstem.Add{Name: pick(g, append(counters, keys[0])), Delta: int64(g.IntN(5) - 2)}
	if g.IntN(2) == 0 {
		a.Floor = new(int64)
	}
	if g.IntN(4) == 0 {
		ceiling := int64(3)
		a.Ceiling = &ceiling
	}
	if g.IntN(12) == 0 {
		a.Delta = pick(g, []int64{math.MaxInt64, math.MinInt64})
	}
	return a
}
