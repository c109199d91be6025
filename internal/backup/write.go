package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// Source is what a snapshot is made of: a frozen state, and the record that it ends in,
// as it stands in the log: a log that begins with that record has all that the state
// needs to go on.
type Source struct {
	Rows   state.Rows
	Tail   *state.Tail
	Record []byte
	// Node is the name of the node whose state it is. Two nodes may keep the rows of one
	// log differently, so each has snapshots of its own.
	Node string
}

// Write puts a snapshot into a store and reads it back: when it returns no error, all of
// it is there and sound. Written a second time, from the same rows, it goes on where it
// was interrupted. It holds two chunks in memory.
func Write(ctx context.Context, store blob.Store, s Source) (Ref, *Manifest, error) {
	r := Ref{Database: s.Tail.Database, Partition: s.Tail.Partition, Incarnation: s.Tail.Incarnation, Index: s.Tail.Head.Index, node: sum([]byte(s.Node))[:8]}
	if journal.Sum(s.Record) != s.Tail.Head.Hash {
		return r, nil, fmt.Errorf("%w: the record given with the state is not record %d, in which the state ends (L2)", blob.ErrCorrupt, s.Tail.Head.Index)
	}
	w := &writer{ctx: ctx, store: store, at: r.at(), manifest: describe(s.Tail, s.Node), there: map[string]bool{}}
	names, err := store.List(ctx, r.at()+"/")
	if err != nil {
		return r, nil, err
	}
	for _, name := range names {
		w.there[name] = true
	}
	if err := w.write(s); err != nil {
		return r, nil, err
	}
	if err := w.finish(r); err != nil {
		return r, nil, err
	}
	if err := Verify(ctx, store, r, w.manifest); err != nil {
		// Whoever tries again must not take what is damaged for what is done.
		return r, nil, fmt.Errorf("reading %s back: %w", r.at(), joined(err, remove(ctx, store, names, r)))
	}
	return r, w.manifest, nil
}

// writer makes chunks of rows.
type writer struct {
	ctx      context.Context
	store    blob.Store
	at       string
	manifest *Manifest
	there    map[string]bool // what was written before
	chunk    []byte
	rows     int
}

func (w *writer) write(s Source) error {
	for row, err := range s.Rows.Scan([]byte{0}, []byte{0xFF}) {
		if err != nil {
			return err
		}
		size := rowSize(row)
		if size > limitChunk {
			return fmt.Errorf("%w: a row of %d bytes; the limit is %d", blob.ErrInvalid, size, limitChunk)
		}
		if len(w.chunk)+size > limitChunk {
			if err := w.flush(); err != nil {
				return err
			}
		}
		w.chunk = appendRow(w.chunk, row)
		w.rows++
	}
	if err := w.flush(); err != nil {
		return err
	}
	name := w.at + "/record"
	if w.there[name] {
		return nil
	}
	return w.store.Put(w.ctx, name, s.Record)
}

// flush ends a chunk. One that is there already is of the same rows: its name has their
// hash.
func (w *writer) flush() error {
	if len(w.chunk) == 0 {
		return nil
	}
	c := Chunk{Hash: sum(w.chunk), Rows: w.rows, Bytes: len(w.chunk)}
	m := w.manifest
	name := c.name(w.at, len(m.Chunks)+1)
	m.Chunks, m.Rows, m.Bytes = append(m.Chunks, c), m.Rows+int64(c.Rows), m.Bytes+int64(c.Bytes)
	if !w.there[name] {
		packed, err := pack(w.chunk)
		if err == nil {
			err = w.store.Put(w.ctx, name, packed)
		}
		if err != nil {
			return err
		}
	}
	w.chunk, w.rows = w.chunk[:0], 0
	return nil
}

func (w *writer) finish(r Ref) error {
	check, err := w.manifest.sum()
	if err != nil {
		return err
	}
	w.manifest.Check = check
	text, err := json.Marshal(w.manifest)
	if err != nil {
		return err
	}
	return w.store.Put(w.ctx, r.manifest(), text)
}

// Prune deletes what is older than a snapshot, of the same incarnation: snapshots, and
// what those have left that were never finished. Two that prune delete the same, or one
// of them less; a snapshot that is being written meanwhile and is older than keep is of
// no use to anybody, and its writer finds it gone.
func Prune(ctx context.Context, store blob.Store, keep Ref) error {
	names, err := store.List(ctx, of(keep.Database, keep.Partition)+fmt.Sprintf("%016x/snapshot-", uint64(keep.Incarnation)))
	if err != nil {
		return err
	}
	old := map[Ref]bool{}
	for _, name := range names {
		if r, _, ok := refOf(name); ok && r.Index < keep.Index {
			old[r] = true
		}
	}
	for _, name := range names {
		if r, part, ok := refOf(name); ok && old[r] && part == "manifest" {
			if err := remove(ctx, store, names, r); err != nil {
				return err
			}
			delete(old, r)
		}
	}
	for _, name := range names {
		if r, _, ok := refOf(name); ok && old[r] {
			if err := store.Delete(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes a snapshot, its manifest first: what has no manifest is none.
func remove(ctx context.Context, store blob.Store, names []string, r Ref) error {
	if err := store.Delete(ctx, r.manifest()); err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, r.at()+"/") {
			if err := store.Delete(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}
