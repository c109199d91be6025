package store

// Metrics are figures of a store at one moment; sizes in bytes.
type Metrics struct {
	// Cached blocks and rows not yet flushed, together at most Config.Memory
	// and the last batch before a flush.
	CacheBytes  int64
	DeltaBytes  int64
	CacheHits   int64
	CacheMisses int64
	// Tables on disk, and those that are no longer needed but still there.
	Tables        int64
	DiskBytes     int64
	ObsoleteBytes int64
	// ReadAmplification is through how many sorted runs a read looks.
	ReadAmplification int
	// CompactionDebt is how much is to be rewritten until the tables are in
	// their best shape.
	CompactionDebt int64
	Snapshots      int
	// Waited is how long writers have waited for the disk, in nanoseconds.
	Waited int64
}

// Metrics returns the figures of now; all zero once the store is closed.
func (s *Store) Metrics() Metrics {
	if !s.users.enter() {
		return Metrics{}
	}
	defer s.users.leave()
	m := s.db.Metrics()
	var delta int64
	for _, l := range s.newest.Load().layers {
		delta += l.size
	}
	total := m.Total()
	return Metrics{
		CacheBytes:        m.BlockCache.Size,
		DeltaBytes:        delta,
		CacheHits:         m.BlockCache.Hits,
		CacheMisses:       m.BlockCache.Misses,
		Tables:            total.TablesCount,
		DiskBytes:         int64(m.DiskSpaceUsage()),
		ObsoleteBytes:     int64(m.Table.ObsoleteSize),
		ReadAmplification: m.ReadAmp(),
		CompactionDebt:    int64(m.Compact.EstimatedDebt),
		Snapshots:         m.Snapshots.Count,
		Waited:            s.waited.Load(),
	}
}
