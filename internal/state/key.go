package state

import (
	"math"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
)

// newest is the newest version of a key at or before p, deletions included;
// position 0 means there never was one, or none is kept.
func newest(rows Rows, group, name string, p mainstem.Position) (mainstem.Version, error) {
	if p == math.MaxUint64 {
		row, ok, err := rows.First(versionsOf(group, name))
		return foundVersion(name, row, ok, err)
	}
	prefix := nameKey(kindKey, group, name)
	row, ok, err := versionAt(rows, prefix, p)
	return foundVersion(name, row, ok, err)
}

func foundVersion(name string, row Row, ok bool, err error) (mainstem.Version, error) {
	if err != nil || !ok {
		return mainstem.Version{Name: name}, err
	}
	return readVersion(name, row)
}

func readVersion(name string, row Row) (mainstem.Version, error) {
	v := mainstem.Version{Name: name, Position: VersionPosition(row.Key)}
	r := reader{b: openVersion(row).value}
	switch r.uint() {
	case versionDeleted:
	case versionBytes:
		v.Exists, v.Until = true, mainstem.LogAge(r.uint())
		v.Value.Bytes = r.bytes()
		v.Value.Bytes = append(make([]byte, 0, len(v.Value.Bytes)), v.Value.Bytes...)
	case versionCounter:
		v.Exists, v.Until = true, mainstem.LogAge(r.uint())
		v.Value = mainstem.Int(r.int())
	default:
		r.bad = true
	}
	return v, r.end("a version of key " + name)
}

// What a version begins with, after a byte that is 0 until its store moves older
// ones of its window away.
const (
	versionDeleted = iota
	versionBytes
	versionCounter
)

func writeVersion(w *writer, v mainstem.Value, until mainstem.LogAge) {
	w.uint(0)
	if v.Counter {
		w.uint(versionCounter)
		w.uint(uint64(until))
		w.int(v.Int)
		return
	}
	w.uint(versionBytes)
	w.uint(uint64(until))
	w.bytes(v.Bytes)
}

// newest is the newest version of a key, deletions included.
func (s *Step) newest(group, name string) (mainstem.Version, error) {
	prefix := s.room.name(kindKey, group, name)
	bound, likely := s.hints.newest(prefix)
	if bound == 0 {
		return mainstem.Version{Name: name}, nil
	}
	if likely {
		key := s.room.numbered(prefix, ^uint64(bound))
		value, ok, err := s.rows.Get(key)
		if err != nil {
			return mainstem.Version{}, err
		}
		if ok {
			return readVersion(name, Row{Key: key, Value: value})
		}
	}
	return newest(s.rows, group, name, math.MaxUint64)
}

// key is the newest version as the transaction itself has left it so far.
func (j *judgement) key(name string) (mainstem.Version, error) {
	if v, ok := j.keys[name]; ok {
		return v, nil
	}
	return j.step.newest(j.t.Group, name)
}

func (j *judgement) setKey(v mainstem.Version) {
	if !j.more {
		return
	}
	if j.keys == nil {
		j.keys = make(map[string]mainstem.Version)
	}
	j.keys[v.Name] = v
}

// keyUnchanged asks the horizon before a deletion that is still stored: the
// answer must not depend on when garbage was collected.
func (j *judgement) keyUnchanged(c mainstem.KeyUnchanged) error {
	horizon := j.step.Tail.horizon(j.t.Group, c.Name)
	if bound, _ := j.step.hints.newest(j.step.room.name(kindKey, j.t.Group, c.Name)); bound <= c.Since && c.Since >= horizon {
		return nil // conditions come before operations: the transaction itself has changed nothing yet
	}
	v, err := j.key(c.Name)
	switch {
	case err != nil:
		return err
	case !v.Exists && c.Since < horizon:
		return mainstem.Errorf(mainstem.Trimmed, "key %s in group %s is absent, and history since position %s is no longer kept (it begins at %s)",
			c.Name, j.t.Group, c.Since, horizon)
	case v.Position > c.Since:
		return mainstem.Errorf(mainstem.Conflict, "key %s in group %s changed at position %s, after %s", c.Name, j.t.Group, v.Position, c.Since)
	}
	return nil
}

func (j *judgement) keyAbsent(c mainstem.KeyAbsent) error {
	v, err := j.key(c.Name)
	if err == nil && v.Exists {
		err = mainstem.Errorf(mainstem.Exists, "key %s in group %s exists since position %s", c.Name, j.t.Group, v.Position)
	}
	return err
}

func (j *judgement) keyEquals(c mainstem.KeyEquals) error {
	v, err := j.key(c.Name)
	if err == nil && (!v.Exists || !v.Value.Equal(c.Value)) {
		err = mainstem.Errorf(mainstem.Conflict, "key %s in group %s does not have the expected value", c.Name, j.t.Group)
	}
	return err
}

// rangeUnchanged looks at every name in the range: any version after Since is
// a conflict. Versions sort newest first, so one look per name is enough, and
// the cost is that of the read which led to the condition.
func (j *judgement) rangeUnchanged(c mainstem.RangeUnchanged) error {
	if h := j.step.Tail.NewestHorizon(); c.Since < h {
		return mainstem.Errorf(mainstem.Trimmed, "the range [%q, %q) of group %s since position %s: history begins at %s", c.From, c.To, j.t.Group, c.Since, h)
	}
	for v, err := range scanVersions(j.step.rows, j.t.Group, c.From, c.To, j.position()) {
		if err != nil {
			return err
		}
		if v.Position > c.Since {
			return mainstem.Errorf(mainstem.Conflict, "key %s in the range [%q, %q) of group %s changed at position %s, after %s",
				v.Name, c.From, c.To, j.t.Group, v.Position, c.Since)
		}
	}
	return nil
}

func (j *judgement) put(o mainstem.Put) (mainstem.Effect, error) {
	e := mainstem.Effect{Kind: mainstem.EffectPut, Name: o.Name, Value: o.Value}
	if o.TTL > 0 {
		e.Until = j.step.now.Add(o.TTL)
	}
	j.setKey(mainstem.Version{Name: o.Name, Exists: true, Value: o.Value, Position: j.position(), Until: e.Until})
	return e, nil
}

// remove is a Delete; without an effect where there is nothing to delete.
func (j *judgement) remove(o mainstem.Delete) (mainstem.Effect, error) {
	v, err := j.key(o.Name)
	if err != nil || !v.Exists {
		return mainstem.Effect{}, err
	}
	j.setKey(mainstem.Version{Name: o.Name, Position: j.position()})
	return mainstem.Effect{Kind: mainstem.EffectDelete, Name: o.Name}, nil
}

func (j *judgement) add(o mainstem.Add) (mainstem.Effect, error) {
	v, err := j.key(o.Name)
	if err != nil {
		return mainstem.Effect{}, err
	}
	if v.Exists && !v.Value.Counter {
		return mainstem.Effect{}, mainstem.Errorf(mainstem.Invalid, "key %s in group %s holds bytes, not a counter", o.Name, j.t.Group)
	}
	sum := v.Value.Int + o.Delta
	switch {
	case (o.Delta > 0) != (sum > v.Value.Int) && o.Delta != 0:
		return mainstem.Effect{}, mainstem.Errorf(mainstem.OutOfRange, "counter %s in group %s is %d; adding %d leaves 64 bits", o.Name, j.t.Group, v.Value.Int, o.Delta)
	case o.Floor != nil && sum < *o.Floor && !breaklaw.On("floor"):
		return mainstem.Effect{}, mainstem.Errorf(mainstem.OutOfRange, "counter %s in group %s is %d; adding %d would pass the floor %d", o.Name, j.t.Group, v.Value.Int, o.Delta, *o.Floor)
	case o.Ceiling != nil && sum > *o.Ceiling:
		return mainstem.Effect{}, mainstem.Errorf(mainstem.OutOfRange, "counter %s in group %s is %d; adding %d would pass the ceiling %d", o.Name, j.t.Group, v.Value.Int, o.Delta, *o.Ceiling)
	}
	e := mainstem.Effect{Kind: mainstem.EffectAdd, Name: o.Name, Value: mainstem.Int(sum), Delta: o.Delta, Until: v.Until}
	j.setKey(mainstem.Version{Name: o.Name, Exists: true, Value: e.Value, Position: j.position(), Until: v.Until})
	return e, nil
}

// admitKey writes a version, and keeps the list of expiries in step.
func (s *Step) admitKey(group string, e *mainstem.Effect, p mainstem.Position) error {
	room := s.room
	switch {
	case e.Kind == mainstem.EffectExpire:
		s.put(Write{Key: expiryKey(e.Until, group, e.Name), Delete: true})
	case e.Kind == mainstem.EffectPut && e.Until > 0:
		// A key that is renewed again and again must not leave an expiry
		// behind each time.
		old, err := s.newest(group, e.Name)
		if err != nil {
			return err
		}
		if old.Until > 0 {
			s.put(Write{Key: expiryKey(old.Until, group, e.Name), Delete: true})
		}
		s.put(Write{Key: expiryKey(e.Until, group, e.Name)})
		s.hints.expiring(e.Until)
	}
	value := room.empty()
	if e.Kind == mainstem.EffectDelete || e.Kind == mainstem.EffectExpire {
		value.uint(0)
		value.uint(versionDeleted)
	} else {
		writeVersion(value, e.Value, e.Until)
	}
	prefix := room.name(kindKey, group, e.Name)
	s.hints.note(prefix, p)
	s.put(Write{Key: room.numbered(prefix, ^uint64(p)), Value: value.b})
	return nil
}
