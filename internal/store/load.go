package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/mainstemdb/mainstem/internal/state"
)

// Load fills an empty store with rows, which next gives to put in the order of their
// keys, durable when it returns. It is how the state of another node gets here: versions
// of a key come newest first, as they lie, and not as they were written, so they must not
// go through Apply. It holds one block in memory. What an error leaves is no state.
func (s *Store) Load(next func(put func(state.Row) error) error) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	if _, found, err := s.rows.First([]byte{0}, []byte{0xFF}); err != nil || found {
		return errors.Join(err, fmt.Errorf("%w: %s is to be loaded and is not empty", ErrFailed, s.dir))
	}
	t := &tables{store: s, layer: layer{delta: newDelta(s.limit)}, window: state.Window(nil, 0, nil)}
	err := next(func(row state.Row) error { return t.put(row.Key, row.Value, false) })
	if err != nil {
		if t.out != nil {
			err = errors.Join(err, t.out.Close())
		}
		return err
	}
	if err := t.finish(); err != nil {
		return wrap(s.dir, "writing tables", err)
	}
	if len(t.names) == 0 {
		return s.Err()
	}
	if err := s.db.Ingest(context.Background(), t.names); err != nil {
		return wrap(s.dir, "taking tables", err)
	}
	base := s.newBase()
	s.mu.Lock()
	old := s.newest.Load()
	s.newest.Store(&view{layers: old.layers[:1:1], base: base})
	s.mu.Unlock()
	old.base.release()
	return s.Err()
}
