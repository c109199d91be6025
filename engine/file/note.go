package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// noteNowAndThen writes a durable note of what is durable, whenever something
// became so since the last one. An entry says what was durable before it, so
// only a later frame bears witness for it; without notes, damage to the end of
// the log could not be told from a torn write (RELIABILITY 1.5).
//
// noted is the tail that Open has noted already. It is the caller's to read,
// because this goroutine may start after the first append.
func (l *Log) noteNowAndThen(ctx context.Context, noted uint64) {
	tick := time.NewTicker(l.cfg.NoteAfter)
	defer tick.Stop()
	for turn := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-l.done:
			return
		case <-tick.C:
		}
		index := l.Tail().Index
		if index == noted {
			continue
		}
		if err := l.putNote(turn); err != nil {
			l.fail(err)
			return
		}
		noted, turn = index, turn+1
	}
}

// putNote writes one note through a descriptor of its own, without holding up
// an append. Its own, because Linux reports a write-back error once for each
// descriptor: sharing the append's would let the note's sync swallow an error
// that belongs to a record.
func (l *Log) putNote(turn int64) error {
	l.mu.Lock()
	s := l.segments[len(l.segments)-1]
	f := frame{kind: KindNote, index: s.last, durable: s.last, hash: s.hash}
	l.mu.Unlock()
	file, err := disk.OpenReadWrite(l.cfg.FS, l.cfg.FS.PathJoin(l.cfg.Dir, s.name))
	if errors.Is(err, os.ErrNotExist) {
		return nil // sealed and trimmed since: its entries need no note
	}
	if err != nil {
		return fmt.Errorf("file: open %s for a note: %w", s.name, err)
	}
	err = s.putSlot(file, s.noteSlot(turn), f)
	if err == nil {
		err = file.SyncData()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("file: note index %d in %s: %w", f.index, s.name, err)
	}
	return nil
}

// putNotes writes both note slots of the active segment, durably, as a mark of
// clean shutdown, or as plain notes that take the mark away before the first
// append that follows it.
func (l *Log) putNotes(kind Kind) error {
	s := l.active()
	f := frame{kind: kind, index: s.last, durable: s.last, hash: s.hash}
	for i := range int64(2) {
		if err := s.putSlot(s.file, s.noteSlot(i), f); err != nil {
			return err
		}
	}
	if err := s.file.SyncData(); err != nil {
		return fmt.Errorf("file: sync the %s of %s: %w", kind, s.name, err)
	}
	return nil
}
