package store

// Limits of what may wait for the disk (L10).
const (
	// deltaShare of the memory is one full delta; one may be full and on its
	// way to the tables while the next is filled.
	deltaShare = 8
	maxDelta   = 64 << 20
	// sublevels is how many layers of tables a read may have to look through
	// before writers wait for compaction.
	sublevels = 24
)

// ease wakes a writer that waits for compactions; it never blocks.
func (s *Store) ease() {
	select {
	case s.eased <- struct{}{}:
	default:
	}
}
