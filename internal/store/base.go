package store

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mainstemdb/mainstem/internal/state"
)

// base is the tables as they are between two deltas, shared by all views of
// that time.
type base struct {
	store   *Store
	frozen  *pebble.Snapshot
	holders Holders // the views, and the store while it is the newest
	memo    atomic.Pointer[memo]

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
	b.memo.Store(newMemo(s.memory / memoShare))
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

// version is the newest version of a key that is not before from, which begins
// with the key's name.
func (b *base) version(name, from []byte) (state.Row, bool, error) {
	m := b.memo.Load()
	if m == nil || len(from) > len(name) {
		return b.seek(name, from)
	}
	if row := m.find(name); row != nil {
		return *row, true, nil
	}
	row, ok, err := b.seek(name, from)
	if ok && err == nil {
		m.keep(name, &row)
	}
	return row, ok, err
}

// seek is the first row that begins with a name and is not before from, the
// caller's to keep.
func (b *base) seek(name, from []byte) (state.Row, bool, error) {
	c, err := b.take(nil, nil)
	if err != nil {
		return state.Row{}, false, err
	}
	defer b.give(c)
	if !c.SeekPrefixGE(from) || !bytes.HasPrefix(c.Key(), name) {
		return state.Row{}, false, b.store.damaged("reading a row", c.Error())
	}
	value, err := c.ValueAndErr()
	if err != nil {
		return state.Row{}, false, b.store.damaged("reading a row", err)
	}
	return kept(c.Key(), value), true, nil
}

// outdated lets go of what is remembered for readers that come, of which those of
// newer tables have none.
func (b *base) outdated() {
	b.memo.Store(nil)
	b.release()
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
	return state.Row{Key: b[:len(key):len(key)], Value: b[len(key):len(b):len(b)]}
}
