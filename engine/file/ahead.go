package file

import "github.com/mainstemdb/mainstem/internal/disk"

// A segment is written once before it is used, 16 MiB of zeros, so that no
// append has to record where its blocks are. That is done ahead, beside the
// appends, in pieces that are synced one by one: a sync of everything at once
// would stand in the way of theirs.
const (
	// aheadFrom is the least size of a segment that is worth it.
	aheadFrom  = 1 << 20
	aheadPiece = 256 << 10
	spareName  = "spare" + disk.TempSuffix // so that Open removes it
)

// spare is a file of zeros for the next segment. Nothing depends on it: what
// goes wrong with it is left for the making of the segment to meet.
type spare struct {
	done chan struct{}
	file disk.File // once done; nil if it could not be made
}

// lookAhead begins to make the next segment's file once the active one is half
// full. Under turn.
func (l *Log) lookAhead(s *segment) {
	if l.spare != nil || l.full || l.cfg.SegmentSize < aheadFrom || s.end < s.dataEnd()/2 {
		return
	}
	sp := &spare{done: make(chan struct{})}
	l.spare = sp
	l.tasks.Go(func() {
		defer close(sp.done)
		sp.file = l.makeSpare()
	})
}

func (l *Log) makeSpare() disk.File {
	path := l.cfg.FS.PathJoin(l.cfg.Dir, spareName)
	f, err := disk.Create(l.cfg.FS, path)
	if err != nil {
		return nil
	}
	for left := l.cfg.SegmentSize; left > 0; left -= aheadPiece {
		if l.ended() || zeroDurably(f, min(left, aheadPiece)) != nil {
			l.discard(f)
			return nil
		}
	}
	return f
}

// ended reports whether the log has failed or was closed.
func (l *Log) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func zeroDurably(f disk.File, size int64) error {
	if err := disk.Zero(f, size); err != nil {
		return err
	}
	return f.SyncData()
}

// takeSpare is the file that was made ahead, for a segment of that size; nil if
// there is none.
func (l *Log) takeSpare(size int64) disk.File {
	if l.spare == nil {
		return nil
	}
	<-l.spare.done
	f := l.spare.file
	l.spare = nil
	if f != nil && size != l.cfg.SegmentSize {
		l.discard(f)
		return nil
	}
	return f
}

// discard throws a file away that nothing depends on; what cannot be removed
// is removed by the next Open.
func (l *Log) discard(f disk.File) {
	_ = f.Close()
	_ = l.cfg.FS.Remove(l.cfg.FS.PathJoin(l.cfg.Dir, spareName))
}
