package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mainstemdb/mainstem/internal/state"
)

// Apply makes the writes, in their order, as one atomic step: readers and a
// crash see all of them or none. They are not durable before the next Flush.
// It waits while the disk is behind.
func (s *Store) Apply(writes []state.Write) error {
	if !s.users.enter() {
		return ErrClosed
	}
	defer s.users.leave()
	switch {
	case s.readOnly:
		return ErrReadOnly
	case s.Err() != nil:
		return s.Err()
	}
	size := weight(writes)
	if err := s.hold(int64(size)); err != nil {
		return err
	}
	b := s.db.NewBatchWithSize(size)
	err := fill(b, writes)
	if err == nil {
		err = s.db.Apply(b, pebble.NoSync)
	}
	if cerr := b.Close(); err == nil {
		err = cerr
	}
	s.generation.Add(1)
	s.rows.stale()
	if err != nil {
		s.fail("applying", err)
	}
	return s.Err()
}

func fill(b *pebble.Batch, writes []state.Write) (err error) {
	for i := range writes {
		w := &writes[i]
		switch {
		case !w.Delete:
			err = b.Set(w.Key, w.Value, nil)
		case w.End == nil:
			err = b.Delete(w.Key, nil)
		default:
			err = b.DeleteRange(w.Key, w.End, nil)
		}
		if err != nil {
			return fmt.Errorf("write %d of %d: %w", i+1, len(writes), err)
		}
	}
	return nil
}

// Flush makes everything durable that was applied before the call.
func (s *Store) Flush() error {
	if !s.users.enter() {
		return ErrClosed
	}
	defer s.users.leave()
	return s.flush()
}

func (s *Store) flush() error {
	switch {
	case s.readOnly:
		return ErrReadOnly
	case s.Err() != nil:
		return s.Err()
	}
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return wrap(s.dir, "flushing", err)
	}
	select {
	case <-flushed:
		return s.Err()
	case <-s.done:
		return s.Err()
	case <-s.fuse.released: // Close has begun
		return ErrClosed
	}
}

// Checkpoint writes a copy of the store to dir, which must not exist: a
// durable state that holds at least what was applied before the call, and a
// whole number of applied batches. Tables are linked, not copied, where the
// file system can. Another store opens it.
func (s *Store) Checkpoint(dir string) error {
	if !s.users.enter() {
		return ErrClosed
	}
	defer s.users.leave()
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.db.Checkpoint(dir); err != nil {
		return wrap(s.dir, "copying the state to "+dir, err)
	}
	return s.Err()
}
