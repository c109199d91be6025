package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/state"
)

const (
	// tableBytes of rows end a table.
	tableBytes = 8 << 20
	// ownTable is from how many bytes on rows of one kind have tables of their
	// own: tables that overlap no others are never merged with any.
	ownTable = 1 << 20
	// yieldEvery rows writing tables steps back: it takes a tenth of a second of
	// one core, and the scheduler would let callers wait ten milliseconds for it.
	// Where thousands of callers are ready, that is thousands of turns, and in the
	// end the writer would wait for the tables: so only who is in time steps back.
	yieldEvery = 32
	// freshPrefix names tables that are being written, before Pebble takes them.
	freshPrefix = "fresh-"
)

// tables are those that a full delta becomes, together.
type tables struct {
	store *Store
	layer layer
	gaps  []gap    // disjoint, in order; those still to be written
	bury  [][]byte // in order; versions still to be deleted
	// moved are the versions that leave the place of their key, in order, and ends
	// where those of each key end.
	moved, ends []int
	movedBytes  int64
	window      []byte // where they go

	out    *sstable.Writer
	names  []string
	kind   byte
	size   int64
	rows   int
	done   int64 // bytes of rows in all tables so far
	gapped bool
	until  []byte // end of the last gap in the table

	chain      []int // of the group that is being written
	key, value []byte
}

// writeTables writes a full delta to tables, syncs them, and gives all of them
// to Pebble in one step.
func (s *Store) writeTables(full layer) error {
	t := &tables{store: s, layer: full, gaps: disjoint(full.gaps), window: state.Window(nil, mainstem.Position(full.last), nil)}
	for _, key := range slices.Sorted(maps.Keys(full.buried)) {
		t.bury = append(t.bury, []byte(key))
	}
	if err := t.write(); err != nil {
		if t.out != nil {
			err = errors.Join(err, t.out.Close())
		}
		return err
	}
	if len(t.names) == 0 {
		return s.Err()
	}
	return errors.Join(s.db.Ingest(context.Background(), t.names), s.Err())
}

func (t *tables) write() error {
	d := t.layer.delta
	for _, run := range d.whole() {
		group := d.group(int(run))
		if len(t.moved) > 0 && bytes.Compare(group, t.window) > 0 {
			if err := t.move(); err != nil {
				return err
			}
		}
		if err := t.group(group); err != nil {
			return err
		}
	}
	if err := t.move(); err != nil {
		return err
	}
	if err := t.reach(nil); err != nil {
		return err
	}
	return t.finish()
}

// group writes the rows of one group.
func (t *tables) group(group []byte) error {
	d := t.layer.delta
	newest := d.find(group, t.layer.n)
	if _, versioned := state.Prefix(d.key(newest)); !versioned {
		if t.gone(newest) {
			return nil
		}
		return t.put(d.key(newest), d.value(newest), d.entry(newest).dead)
	}
	t.chain = slices.DeleteFunc(d.rowsOf(t.chain[:0], newest, nil, nil), t.gone)
	rows := t.chain
	if len(rows) == 0 {
		return nil
	}
	row := state.Row{Key: d.key(rows[0]), Value: d.value(rows[0])}
	if len(rows) > 1 {
		t.value = state.Newest(t.value[:0], mainstem.Position(d.last), row)
		row.Value = t.value
		for _, i := range rows[1:] {
			t.movedBytes += int64(d.entry(i).value)
		}
		t.moved = append(t.moved, rows[1:]...)
		t.ends = append(t.ends, len(t.moved))
	}
	return t.put(row.Key, row.Value, false)
}

// gone reports whether an entry was deleted with its range, or buried.
func (t *tables) gone(i int) bool {
	key := t.layer.key(i)
	if len(t.layer.buried) > 0 {
		if _, buried := t.layer.buried[string(key)]; buried {
			return true
		}
	}
	return t.layer.deleted(key, i)
}

// move writes the versions that leave their place, in packs.
func (t *tables) move() error {
	d, i := t.layer.delta, 0
	for _, end := range t.ends {
		for i < end {
			t.value = t.value[:0]
			for ; i < end && len(t.value) < state.PackBytes; i++ {
				t.value = state.Pack(t.value, state.Row{Key: d.key(t.moved[i]), Value: d.value(t.moved[i])})
			}
			t.key = state.Window(t.key[:0], mainstem.Position(d.last), d.key(t.moved[i-1]))
			if err := t.put(t.key, t.value, false); err != nil {
				return err
			}
		}
	}
	t.moved, t.ends = nil, nil
	return nil
}

// put writes a row, after all that comes before it.
func (t *tables) put(key, value []byte, dead bool) error {
	if err := t.reach(key); err != nil {
		return err
	}
	if err := t.begin(key, t.gapped && t.own(key[0])); err != nil {
		return err
	}
	t.size += int64(len(key) + len(value))
	t.done += int64(len(key) + len(value))
	if t.rows++; t.rows%yieldEvery == 0 && t.inTime() {
		runtime.Gosched()
	}
	if dead {
		return t.out.Delete(key)
	}
	return t.out.Set(key, value)
}

// inTime reports whether tables will be written well before the next delta is
// full: twice as much of this one is in tables as of that one is filled.
func (t *tables) inTime() bool {
	next := t.store.newest.Load().layers[0]
	return float64(t.done)/float64(t.layer.size) >= 2*float64(next.size)/float64(t.store.limit)
}

// reach writes the gaps and burials up to a key; nil for all.
func (t *tables) reach(key []byte) error {
	for {
		gap := len(t.gaps) > 0 && (key == nil || bytes.Compare(t.gaps[0].from, key) <= 0)
		bury := len(t.bury) > 0 && (key == nil || bytes.Compare(t.bury[0], key) < 0)
		switch {
		case gap && (!bury || bytes.Compare(t.gaps[0].from, t.bury[0]) <= 0):
			g := t.gaps[0]
			t.gaps = t.gaps[1:]
			if err := t.begin(g.from, t.own(g.from[0])); err != nil {
				return err
			}
			t.gapped, t.until = true, g.to
			if err := t.out.DeleteRange(g.from, g.to); err != nil {
				return err
			}
		case bury:
			k := t.bury[0]
			t.bury = t.bury[1:]
			if err := t.begin(k, false); err != nil {
				return err
			}
			t.size += int64(len(k))
			if err := t.out.Delete(k); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// own reports whether rows of a kind have tables of their own.
func (t *tables) own(kind byte) bool {
	size := t.layer.kinds[kind]
	if kind == t.window[0] {
		size += t.movedBytes
	}
	return size >= ownTable
}

// begin makes sure that there is a table for a key: a new one when the last is
// full, or apart is demanded, but never within a gap.
func (t *tables) begin(key []byte, apart bool) error {
	if t.out != nil && bytes.Compare(key, t.until) >= 0 {
		kinds := key[0] != t.kind && (t.own(t.kind) || t.own(key[0]))
		if apart || kinds || t.size >= tableBytes {
			if err := t.finish(); err != nil {
				return err
			}
		}
	}
	t.kind = key[0]
	if t.out != nil {
		return nil
	}
	s := t.store
	name := s.fuse.PathJoin(s.dir, fmt.Sprintf("%s%d", freshPrefix, s.fresh.Add(1)))
	file, err := s.fuse.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	file = vfs.NewSyncingFile(file, vfs.SyncingFileOptions{BytesPerSync: s.opts.BytesPerSync})
	t.out = sstable.NewWriter(objstorageprovider.NewFileWritable(file), s.opts.MakeWriterOptions(0, s.db.TableFormat()))
	t.names = append(t.names, name)
	return nil
}

// finish ends a table, durable.
func (t *tables) finish() error {
	if t.out == nil {
		return nil
	}
	err := t.out.Close()
	t.out, t.size, t.gapped, t.until = nil, 0, false, nil
	return err
}

// removeFresh removes tables that a crash has left unfinished.
func (s *Store) removeFresh() error {
	names, err := s.fuse.List(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, freshPrefix) {
			if err := s.fuse.Remove(s.fuse.PathJoin(s.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
