package store

import (
	"bytes"
	"time"

	"github.com/mainstemdb/mainstem/internal/state"
)

// begin begins a change of the store, which end ends; one at a time.
func (s *Store) begin() error {
	if !s.users.enter() {
		return ErrClosed
	}
	err := s.Err()
	if s.readOnly {
		err = ErrReadOnly
	}
	if err != nil {
		s.users.leave()
		return err
	}
	s.writing.Lock()
	return nil
}

func (s *Store) end() {
	s.writing.Unlock()
	s.users.leave()
}

// Apply makes the writes, in their order, as one atomic step: readers and a
// crash see all of them or none. They are not durable before the next Flush.
// It waits while the disk is behind.
func (s *Store) Apply(writes []state.Write) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	if s.active.bytes >= s.limit {
		if _, err := s.turn(); err != nil {
			return err
		}
	}
	for i := range writes {
		if w := &writes[i]; w.End == nil {
			s.active.add(w)
		} else if bytes.Compare(w.Key, w.End) < 0 {
			s.active.gaps = withGap(s.active.gaps, w.Key, w.End, s.active.count)
		}
	}
	s.active.n, s.active.size = s.active.count, s.active.bytes
	s.publish()
	return s.Err()
}

// publish shows what was written to the active delta.
func (s *Store) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.newest.Load()
	s.newest.Store(&view{layers: append([]layer{s.active}, old.layers[1:]...), base: old.base})
}

// hold is the newest view; its base is held until it is released.
func (s *Store) hold() *view {
	for {
		if v := s.newest.Load(); v.base.holders.Hold() {
			return v
		}
	}
}

// turn gives what is in memory to be written to tables, begins with an empty
// delta, and returns what is closed when the tables are there. It waits for
// those before, and while compactions are behind.
func (s *Store) turn() (written <-chan struct{}, err error) {
	for s.turning != nil || s.db.Metrics().Levels[0].Sublevels >= sublevels {
		wait := s.eased
		if s.turning != nil {
			wait = s.turning
		}
		began := time.Now()
		select {
		case <-wait:
			s.waited.Add(int64(time.Since(began)))
			if wait == s.turning {
				s.turning = nil
			}
		case <-s.done:
			return nil, s.Err()
		case <-s.fuse.released: // Close has begun
			return nil, ErrClosed
		}
	}
	if err := s.Err(); err != nil {
		return nil, err // a delta that is in no table stays where it is read
	}
	full := s.active
	s.active = layer{delta: newDelta(s.limit)}
	s.mu.Lock()
	old := s.newest.Load()
	s.newest.Store(&view{layers: []layer{s.active, full}, base: old.base})
	s.mu.Unlock()
	s.turning = make(chan struct{})
	go s.settle(full, s.turning)
	return s.turning, nil
}

// settle writes a full delta to tables, and puts them in its place.
func (s *Store) settle(full layer, written chan<- struct{}) {
	defer close(written)
	if err := s.writeTables(full); err != nil {
		s.fail("writing tables", err)
		return
	}
	base := s.newBase()
	s.mu.Lock()
	old := s.newest.Load()
	s.newest.Store(&view{layers: old.layers[:1:1], base: base})
	s.mu.Unlock()
	old.base.outdated()
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
	written, err := s.flushed()
	if err != nil {
		return err
	}
	select {
	case <-written:
		return s.Err()
	case <-s.done:
		return s.Err()
	case <-s.fuse.released: // Close has begun
		return ErrClosed
	}
}

// flushed is closed once all that is applied now is in tables.
func (s *Store) flushed() (<-chan struct{}, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.active.empty() {
		return s.turn()
	}
	if s.turning != nil {
		return s.turning, nil
	}
	nothing := make(chan struct{})
	close(nothing)
	return nothing, nil
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
