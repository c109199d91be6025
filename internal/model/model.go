package model

import (
	"time"

	"github.com/mainstemdb/mainstem"
)

// Model is one database. Times are given to it; it has no clock. It is for one
// goroutine: see Backend for the form that others can share.
type Model struct {
	// IDAge is how long IDs are known; exactly, where the contract says "at least".
	IDAge time.Duration

	groups map[string]*group
	log    []mainstem.Change // the change at position p is log[p-1]
}

// New is an empty database that knows IDs for idAge.
func New(idAge time.Duration) *Model {
	return &Model{IDAge: idAge, groups: map[string]*group{}}
}

// epoch is the wall time at log age 0.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// incarnation is that of every model.
const incarnation = mainstem.Incarnation(1)

// group is everything under one name, as lists that only grow: what was true
// at a position stays readable, so a frozen view is a position.
type group struct {
	keys     map[string][]mainstem.Version
	streams  map[string][]mainstem.Recorded
	leases   map[string][]grant
	seen     map[string][]mainstem.FencingToken // presented tokens of leases elsewhere
	ids      map[string][]answered              // by the ID's text
	killed   map[string]refusal                 // by the ID's text
	sessions map[mainstem.SessionID]uint64      // lowest number still outstanding
}

// grant is a lease as it was from a position on.
type grant struct {
	at    mainstem.Position
	lease mainstem.Lease
}

// answered is what is remembered under an ID.
type answered struct {
	receipt     mainstem.Receipt
	fingerprint []byte
	voided      bool
	at          mainstem.Position
	age         mainstem.LogAge
}

// refusal is the highest attempt of an ID that was refused for good.
type refusal struct {
	attempt uint32
	age     mainstem.LogAge
}

func (m *Model) group(name string) *group {
	g := m.groups[name]
	if g == nil {
		g = &group{
			keys: map[string][]mainstem.Version{}, streams: map[string][]mainstem.Recorded{},
			leases: map[string][]grant{}, seen: map[string][]mainstem.FencingToken{},
			ids: map[string][]answered{}, killed: map[string]refusal{}, sessions: map[mainstem.SessionID]uint64{},
		}
		m.groups[name] = g
	}
	return g
}

// Tail is the newest position.
func (m *Model) Tail() mainstem.Position { return mainstem.Position(len(m.log)) }

// Log is every change that ever committed, in order.
func (m *Model) Log() []mainstem.Change { return m.log }

// Commit judges one transaction at a log age and, if it holds, applies it.
func (m *Model) Commit(age mainstem.LogAge, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if err := valid(t); err != nil {
		return nil, err
	}
	g := m.group(t.Group)
	if receipt, err := m.known(g, age, t.ID, t.Fingerprint); receipt != nil || err != nil {
		return receipt, err
	}
	if err := m.late(g, age, t); err != nil {
		return nil, err
	}
	d := &decision{model: m, group: g, age: age, at: m.Tail() + 1}
	if err := d.judge(t); err != nil {
		if t.Networked {
			g.kill(t, age)
		}
		return nil, err
	}
	return m.append(g, d, t), nil
}

// append makes a decided transaction the newest of the log.
func (m *Model) append(g *group, d *decision, t *mainstem.Transaction) *mainstem.Receipt {
	for _, apply := range d.pending {
		apply()
	}
	receipt := mainstem.Receipt{
		Position: d.at, Incarnation: incarnation, Age: d.age, Wall: epoch.Add(time.Duration(d.age)),
		Results: d.results, Reply: t.Reply, Refused: t.Refused, Token: tokenAt(d.at),
	}
	m.log = append(m.log, mainstem.Change{
		Position: d.at, Incarnation: incarnation, Group: t.Group, ID: t.ID, Effects: d.effects, Reply: t.Reply,
		Refused: t.Refused, Age: d.age, Wall: receipt.Wall, Meta: t.Meta,
	})
	if id := t.ID; !id.IsZero() {
		g.ids[id.String()] = append(g.ids[id.String()], answered{receipt: receipt, fingerprint: t.Fingerprint, at: d.at, age: d.age})
		if id.Number > 0 {
			g.sessions[id.Session] = max(g.sessions[id.Session], id.Low)
		}
	}
	return &receipt
}

// Expire deletes, by a change of its own per group, every key whose TTL has
// ended at the age.
func (m *Model) Expire(age mainstem.LogAge) {
	for _, name := range sorted(m.groups) {
		g, at := m.groups[name], m.Tail()+1
		var effects []mainstem.Effect
		for _, key := range sorted(g.keys) {
			if v := g.key(key, m.Tail()); v.Exists && v.Until > 0 && v.Until <= age {
				g.keys[key] = append(g.keys[key], mainstem.Version{Name: key, Position: at})
				effects = append(effects, mainstem.Effect{Kind: mainstem.EffectExpire, Name: key})
			}
		}
		if len(effects) > 0 {
			m.log = append(m.log, mainstem.Change{
				Position: at, Incarnation: incarnation, Group: name, Effects: effects, Age: age, Wall: epoch.Add(time.Duration(age)),
			})
		}
	}
}

func tokenAt(p mainstem.Position) mainstem.Token {
	return mainstem.NewToken(mainstem.Mark{Incarnation: incarnation, Position: p})
}
