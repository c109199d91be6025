package file

import "github.com/mainstemdb/mainstem/journal"

// Figures is what this log has counted since it was opened, and what its segments
// take on the disk.
func (l *Log) Figures() journal.Figures {
	f := journal.Figures{Syncs: l.syncs.Counts()}
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Files = len(l.segments)
	for _, s := range l.segments {
		f.Bytes += s.size
	}
	return f
}
