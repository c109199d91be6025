package store

// Snapshot is the rows as they were at one moment. It keeps what it shows in
// memory and on the disk: close it soon.
type Snapshot struct{ Rows }

// Snapshot freezes the rows as the last Apply left them. On a closed store it
// is a snapshot that answers ErrClosed.
func (s *Store) Snapshot() *Snapshot {
	snap := &Snapshot{Rows{store: s}}
	if !s.users.enter() {
		snap.closed = true
		return snap
	}
	defer s.users.leave()
	snap.frozen = s.hold()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshots[snap] = struct{}{}
	return snap
}

// Close releases the snapshot. Reads that run may finish; later ones answer
// ErrClosed. Closing again does nothing.
func (snap *Snapshot) Close() {
	if !snap.store.users.enter() {
		return // the store has closed it, or is about to
	}
	defer snap.store.users.leave()
	snap.store.mu.Lock()
	delete(snap.store.snapshots, snap)
	snap.store.mu.Unlock()
	snap.end()
}
