package store

import (
	"bytes"
	"sort"

	"github.com/mainstemdb/mainstem/internal/state"
)

// view is the rows at one moment: what is in memory, on top of the tables.
type view struct {
	// layers are the newest first: the delta that is being written to, and one
	// that is on its way to the tables.
	layers []layer
	base   *base
}

// layer is the first n entries of a delta, and the ranges deleted meanwhile.
type layer struct {
	*delta
	n    int
	gaps []gap // in order of from; never changed, only replaced
	size int64 // bytes, of all
}

// empty reports whether there is nothing to write to tables.
func (l *layer) empty() bool { return l.count == 0 && len(l.gaps) == 0 && len(l.buried) == 0 }

// below is an entry older than all of a layer.
const below = -1

// deleted reports whether a row was deleted with its range after that entry.
func (l *layer) deleted(key []byte, entry int) bool {
	next := sort.Search(len(l.gaps), func(i int) bool { return bytes.Compare(l.gaps[i].from, key) > 0 })
	for i := next - 1; i >= 0 && bytes.Compare(key, l.gaps[i].reach) < 0; i-- {
		if g := &l.gaps[i]; entry < g.at && bytes.Compare(key, g.to) < 0 {
			return true
		}
	}
	return false
}

// deleted reports whether a row of a layer was deleted with its range afterwards.
func (v *view) deleted(key []byte, depth, entry int) bool {
	for l := range v.layers[:min(depth, len(v.layers))] {
		if v.layers[l].deleted(key, below) {
			return true
		}
	}
	return depth < len(v.layers) && v.layers[depth].deleted(key, entry)
}

// get is the value of a row.
func (v *view) get(key []byte) ([]byte, bool, error) {
	group, versioned := state.Prefix(key)
	for depth, l := range v.layers {
		for i := l.find(group, l.n); i >= 0; i = l.before(i) {
			if versioned && !bytes.Equal(l.key(i), key) {
				continue
			}
			if l.entry(i).dead || v.deleted(key, depth, i) {
				return nil, false, nil
			}
			return l.value(i), true, nil
		}
	}
	if v.deleted(key, len(v.layers), 0) {
		return nil, false, nil
	}
	return v.base.get(key)
}

// first is the first row in [from, to).
func (v *view) first(from, to []byte) (state.Row, bool, error) {
	if prefix, ok := state.OneKey(from, to); ok {
		return v.version(prefix, from)
	}
	if len(v.layers) == 0 {
		return v.base.first(from, to)
	}
	var row state.Row
	found := false
	err := v.each(from, to, false, func(key, value []byte) bool {
		row, found = kept(key, value), true
		return false
	})
	return row, found, err
}

// version is the newest version of a key that is not before from. Versions in
// memory are newer than those in tables, and are never deleted by range.
func (v *view) version(prefix, from []byte) (state.Row, bool, error) {
	for _, l := range v.layers {
		for i := l.find(prefix, l.n); i >= 0; i = l.before(i) {
			key := l.key(i)
			if bytes.Compare(key, from) >= 0 {
				return state.Row{Key: key, Value: l.value(i)}, true, nil
			}
		}
	}
	return v.base.version(prefix, from)
}

// each yields the rows with from <= key < to, up or down; what it yields is
// good until the next.
func (v *view) each(from, to []byte, back bool, yield func(key, value []byte) bool) error {
	table, err := v.base.take(from, to)
	if err != nil {
		return err
	}
	defer v.base.give(table)
	walks := make([]*walk, 0, 2)
	for _, l := range v.layers {
		walks = append(walks, l.walk(l.n, from, to, back))
	}
	begin, next := table.First, table.Next
	if back {
		begin, next = table.Last, table.Prev
	}
	m := &merging{view: v, back: back, walks: walks, table: table, inTable: begin()}
	for {
		key, depth := m.front()
		if key == nil {
			return v.base.store.damaged("reading rows", table.Error())
		}
		value, there, err := m.value(key, depth)
		if err != nil {
			return v.base.store.damaged("reading a row", err)
		}
		if there && !yield(key, value) {
			return nil
		}
		for _, w := range walks {
			if i := w.row(); i >= 0 && bytes.Equal(w.d.key(i), key) {
				w.next()
			}
		}
		if m.inTable && bytes.Equal(table.Key(), key) {
			m.inTable = next()
		}
	}
}

// merging is the places in all layers and in the tables that an iteration has
// come to.
type merging struct {
	view    *view
	back    bool
	walks   []*walk
	table   *cursor
	inTable bool
}

// front is the row to come next, of the newest layer that has it.
func (m *merging) front() (key []byte, depth int) {
	for d, w := range m.walks {
		if i := w.row(); i >= 0 {
			if k := w.d.key(i); key == nil || m.sooner(k, key) {
				key, depth = k, d
			}
		}
	}
	if m.inTable && (key == nil || m.sooner(m.table.Key(), key)) {
		return m.table.Key(), len(m.walks)
	}
	return key, depth
}

func (m *merging) sooner(a, b []byte) bool {
	if m.back {
		return bytes.Compare(a, b) > 0
	}
	return bytes.Compare(a, b) < 0
}

// value is that of the row at the front, if it is there.
func (m *merging) value(key []byte, depth int) (value []byte, there bool, err error) {
	if depth == len(m.walks) {
		if m.view.deleted(key, depth, 0) {
			return nil, false, nil
		}
		value, err = m.table.ValueAndErr()
		return value, err == nil, err
	}
	w := m.walks[depth]
	i := w.row()
	return w.d.value(i), !w.d.entry(i).dead && !m.view.deleted(key, depth, i), nil
}
