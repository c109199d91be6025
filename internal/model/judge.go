package model

import (
	"bytes"
	"errors"

	"github.com/mainstemdb/mainstem"
)

// decision is one transaction being judged. Its changes wait in pending, so
// that a refused one leaves nothing behind; scratch shows them to its later
// operations.
type decision struct {
	model *Model
	group *group
	age   mainstem.LogAge
	at    mainstem.Position

	keys    map[string]mainstem.Version
	lengths map[string]uint64
	leases  map[string]mainstem.Lease
	tokens  map[string]mainstem.FencingToken

	effects []mainstem.Effect
	results []mainstem.Result
	pending []func()
}

func (d *decision) judge(t *mainstem.Transaction) error {
	d.keys, d.lengths = map[string]mainstem.Version{}, map[string]uint64{}
	d.leases, d.tokens = map[string]mainstem.Lease{}, map[string]mainstem.FencingToken{}
	for i, c := range t.Conditions {
		if err := d.condition(c); err != nil {
			return numbered(err, i+1)
		}
	}
	for i, o := range t.Operations {
		if err := d.operation(o); err != nil {
			return numbered(err, len(t.Conditions)+i+1)
		}
	}
	return nil
}

func numbered(err error, n int) error {
	var e *mainstem.Error
	if errors.As(err, &e) {
		e.Condition = n
	}
	return err
}

func no(code mainstem.Code, what string) error { return mainstem.Errorf(code, "model: %s", what) }

func (d *decision) condition(c mainstem.Condition) error {
	g, tail := d.group, d.at-1
	switch c := c.(type) {
	case mainstem.KeyAbsent:
		if g.key(c.Name, tail).Exists {
			return no(mainstem.Exists, c.Name)
		}
	case mainstem.KeyUnchanged:
		if g.key(c.Name, tail).Position > c.Since {
			return no(mainstem.Conflict, c.Name)
		}
	case mainstem.KeyEquals:
		if v := g.key(c.Name, tail); !v.Exists || !same(v.Value, c.Value) {
			return no(mainstem.Conflict, c.Name)
		}
	case mainstem.StreamLength:
		if uint64(len(g.streams[c.Stream])) != c.Length {
			return no(mainstem.Conflict, c.Stream)
		}
	case mainstem.RangeUnchanged:
		for name, versions := range g.keys {
			if within(name, c.From, c.To) && len(versions) > 0 && versions[len(versions)-1].Position > c.Since {
				return no(mainstem.Conflict, name)
			}
		}
	case mainstem.StreamsUnchanged:
		for name, events := range g.streams {
			if within(name, c.From, c.To) && len(events) > 0 && events[len(events)-1].Position > c.Since {
				return no(mainstem.Conflict, name)
			}
		}
	case mainstem.LeaseHeld:
		if l := g.lease(c.Lease, tail); c.Token == 0 || l.Token != c.Token || l.Released {
			return no(mainstem.Fenced, c.Lease)
		}
	case mainstem.Committed:
		// A remembered refusal committed nothing that one could build on.
		if row, ok := d.model.remembered(g, d.age, c.ID); !ok || row.voided || row.receipt.Refused {
			return no(mainstem.Conflict, c.ID)
		}
	}
	return nil
}

func same(a, b mainstem.Value) bool {
	return a.Counter == b.Counter && a.Int == b.Int && bytes.Equal(a.Bytes, b.Bytes)
}

func within(name, from, to string) bool { return name >= from && (to == "" || name < to) }

// key is the newest version at or before a position; one that was never
// written has position 0.
func (g *group) key(name string, at mainstem.Position) mainstem.Version {
	versions := g.keys[name]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].Position <= at {
			return versions[i]
		}
	}
	return mainstem.Version{Name: name}
}

func (g *group) lease(name string, at mainstem.Position) mainstem.Lease {
	grants := g.leases[name]
	for i := len(grants) - 1; i >= 0; i-- {
		if grants[i].at <= at {
			return grants[i].lease
		}
	}
	return mainstem.Lease{}
}
