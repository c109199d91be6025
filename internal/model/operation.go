package model

import (
	"math"

	"github.com/mainstemdb/mainstem"
)

// operation decides one operation after those before it.
func (d *decision) operation(o mainstem.Operation) error {
	switch o := o.(type) {
	case mainstem.Put:
		v := mainstem.Version{Exists: true, Value: o.Value}
		if o.TTL > 0 {
			v.Until = d.age.Add(o.TTL)
		}
		d.write(o.Name, v)
		d.effect(mainstem.Effect{Kind: mainstem.EffectPut, Name: o.Name, Value: o.Value, Until: v.Until}, mainstem.Result{})
	case mainstem.Delete:
		if !d.key(o.Name).Exists {
			d.results = append(d.results, mainstem.Result{})
			return nil
		}
		d.write(o.Name, mainstem.Version{})
		d.effect(mainstem.Effect{Kind: mainstem.EffectDelete, Name: o.Name}, mainstem.Result{})
	case mainstem.Add:
		return d.add(o)
	case mainstem.Append:
		d.appendEvents(o)
	case mainstem.Emit:
		d.effect(mainstem.Effect{Kind: mainstem.EffectEmit, Name: o.Topic, Events: []mainstem.Event{o.Event}}, mainstem.Result{})
	case mainstem.Void:
		return d.void(o.ID)
	case mainstem.Acquire, mainstem.Renew, mainstem.Release, mainstem.Present:
		return d.leaseOperation(o)
	}
	return nil
}

func (d *decision) effect(e mainstem.Effect, r mainstem.Result) {
	d.effects, d.results = append(d.effects, e), append(d.results, r)
}

func (d *decision) key(name string) mainstem.Version {
	if v, ok := d.keys[name]; ok {
		return v
	}
	return d.group.key(name, d.at)
}

// write replaces the key. A transaction leaves one version of it, its last.
func (d *decision) write(name string, v mainstem.Version) {
	v.Name, v.Position = name, d.at
	if _, again := d.keys[name]; !again {
		d.pending = append(d.pending, func() { d.group.keys[name] = append(d.group.keys[name], d.keys[name]) })
	}
	d.keys[name] = v
}

func (d *decision) add(o mainstem.Add) error {
	v := d.key(o.Name)
	if v.Exists && !v.Value.Counter {
		return no(mainstem.Invalid, o.Name+" holds bytes")
	}
	was := int64(0)
	if v.Exists {
		was = v.Value.Int
	}
	if o.Delta > 0 && was > math.MaxInt64-o.Delta || o.Delta < 0 && was < math.MinInt64-o.Delta {
		return no(mainstem.OutOfRange, o.Name+" leaves 64 bits")
	}
	sum := was + o.Delta
	if o.Floor != nil && sum < *o.Floor || o.Ceiling != nil && sum > *o.Ceiling {
		return no(mainstem.OutOfRange, o.Name+" passes its bound")
	}
	until := v.Until
	if !v.Exists {
		until = 0
	}
	value := mainstem.Value{Counter: true, Int: sum}
	d.write(o.Name, mainstem.Version{Exists: true, Value: value, Until: until})
	d.effect(mainstem.Effect{Kind: mainstem.EffectAdd, Name: o.Name, Value: value, Delta: o.Delta, Until: until},
		mainstem.Result{Counter: sum})
	return nil
}

func (d *decision) appendEvents(o mainstem.Append) {
	n, again := d.lengths[o.Stream]
	if !again {
		n = uint64(len(d.group.streams[o.Stream]))
	}
	first := n + 1
	for _, e := range o.Events {
		n++
		r := mainstem.Recorded{Event: e, Number: n, Position: d.at}
		d.pending = append(d.pending, func() { d.group.streams[o.Stream] = append(d.group.streams[o.Stream], r) })
	}
	d.lengths[o.Stream] = n
	d.effect(mainstem.Effect{Kind: mainstem.EffectAppend, Name: o.Stream, Events: o.Events, First: first}, mainstem.Result{Length: n})
}

// void answers an ID with "never", unless it was answered otherwise before.
func (d *decision) void(id string) error {
	if row, ok := d.model.remembered(d.group, d.age, id); ok && !row.voided && !row.receipt.Refused {
		return no(mainstem.Exists, id+" has committed")
	}
	d.pending = append(d.pending, func() {
		d.group.ids[id] = append(d.group.ids[id], answered{voided: true, at: d.at, age: d.age})
	})
	d.effect(mainstem.Effect{Kind: mainstem.EffectVoid, Name: id}, mainstem.Result{})
	return nil
}
