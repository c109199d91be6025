package store

import (
	"bytes"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mainstemdb/mainstem/internal/state"
)

// base is the tables as they are between two deltas, shared by all views of
// that time.
type base struct {
	store   *Store
	frozen  *pebble.Snapshot
	holders Holders // the views, and the store while it is the newest

	// Making an iterator costs several times what using it does, so those not
	// in use are kept.
	mu   sync.Mutex
	idle []*cursor
}

const maxIdle = 16

type cursor struct {
	*pebble.Iterator
	bounded bool
}

func (s *Store) newBase() *base {
	b := &base{store: s, frozen: s.db.NewSnapshot()}
	b.holders.Begin()
	return b
}

func (b *base) release() {
	if !b.holders.Release() {
		return
	}
	for _, c := range b.idle { // nobody is left to take one
		_ = c.Close() // its errors were told when it was used
	}
	if err := b.frozen.Close(); err != nil {
		b.store.log.Warn("a snapshot could not be closed", "err", err)
	}
}

// take is an iterator over [from, to).
func (b *base) take(from, to []byte) (*cursor, error) {
	bounded := from != nil || to != nil
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		c := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		if bounded || c.bounded {
			c.SetBounds(from, to)
			c.bounded = bounded
		}
		return c, nil
	}
	b.mu.Unlock()
	it, err := b.frozen.NewIter(&pebble.IterOptions{LowerBound: slices.Clone(from), UpperBound: slices.Clone(to)})
	if err != nil {
		return nil, b.store.damaged("opening an iterator", err)
	}
	return &cursor{Iterator: it, bounded: bounded}, nil
}

func (b *base) give(c *cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.idle) == maxIdle || c.Error() != nil {
		_ = c.Close() // its error was told when it was used
		return
	}
	b.idle = append(b.idle, c)
}

// get is the value of a row, the caller's to keep.
func (b *base) get(key []byte) ([]byte, bool, error) {
	// An iterator that is kept finds a row faster than Pebble's Get, which
	// opens every table anew; the prefix makes it ask the filters too.
	c, err := b.take(nil, nil)
	if err != nil {
		return nil, false, err
	}
	defer b.give(c)
	if !c.SeekPrefixGE(key) || !bytes.Equal(c.Key(), key) {
		return nil, false, b.store.damaged("reading a row", c.Error())
	}
	value, err := c.ValueAndErr()
	if err != nil {
		return nil, false, b.store.damaged("reading a row", err)
	}
	return append(make([]byte, 0, len(value)), value...), true, nil
}

// version is the first row that begins with prefix and is not before from, the
// caller's to keep.
func (b *base) version(prefix, from []byte) (state.Row, bool, error) {
	c, err := b.take(nil, nil)
	if err != nil {
		return state.Row{}, false, err
	}
	defer b.give(c)
	if !c.SeekPrefixGE(from) || !bytes.HasPrefix(c.Key(), prefix) {
		return state.Row{}, false, b.store.damaged("reading a row", c.Error())
	}
	value, err := c.ValueAndErr()
	if err != nil {
		return state.Row{}, false, b.store.damaged("reading a row", err)
	}
	return kept(c.Key(), value), true, nil
}

// first is the first row in [from, to), the caller's to keep.
func (b *base) first(from, to []byte) (state.Row, bool, error) {
	c, err := b.take(from, to)
	if err != nil {
		return state.Row{}, false, err
	}
	defer b.give(c)
	if !c.First() {
		return state.Row{}, false, b.store.damaged("reading a row", c.Error())
	}
	value, err := c.ValueAndErr()
	if err != nil {
		return state.Row{}, false, b.store.damaged("reading a row", err)
	}
	return kept(c.Key(), value), true, nil
}

func kept(key, value []byte) state.Row {
	b := append(append(make([]byte, 0, len(key)+len(value)), key...), value...)
	return state.Row{Key: b[:len(key):len(key)], Value: b[len(key):]}
}
