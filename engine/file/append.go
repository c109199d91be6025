package file

import (
	"context"
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem/journal"
)

// Append writes record as the successor of after: one gathered write, one
// fdatasync, then the acknowledgement (L4, RELIABILITY 1.1).
//
// ErrLost: after is not the tail, nothing was written. ErrFailed: nothing was
// written for the record. ErrUnknown: something was; the log has failed, and
// opening it again tells. A context that has ended refuses the append before
// it begins; once bytes are written, a local disk's answer is worth waiting
// for, and ctx is not looked at again.
func (l *Log) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := l.admit(ctx, after, record); err != nil {
		return journal.Head{}, err
	}
	size := frameSize(len(record))
	s, err := l.room(size, len(record))
	if err != nil {
		return journal.Head{}, err
	}
	f := frame{kind: KindEntry, index: after.Index + 1, durable: after.Index, hash: after.Hash, payload: record}
	if cap(l.buf) < size {
		l.buf = make([]byte, size)
	}
	b := l.buf[:size]
	offset := s.end
	encodeFrame(b, f, s.mixed, offset)
	if n, err := s.file.WriteAt(b, offset); err != nil {
		err = fmt.Errorf("file: write index %d to %s at offset %d: %w", f.index, s.name, offset, err)
		l.fail(err)
		if n == 0 {
			return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrFailed, err)
		}
		return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrUnknown, err)
	}
	began := time.Now()
	err = s.file.SyncData()
	l.syncs.Observe(int64(time.Since(began)))
	if err != nil {
		err = fmt.Errorf("file: sync index %d in %s at offset %d: %w", f.index, s.name, offset, err)
		l.fail(err)
		return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrUnknown, err)
	}
	head := journal.Head{Index: f.index, Hash: journal.Sum(record), Slot: f.index}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		// The sync of an idle note failed meanwhile. This record's own sync
		// did not, but whether both saw the same pages is the kernel's secret.
		return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrUnknown, l.failed)
	}
	s.note(head.Index, head.Hash, offset, size)
	l.tail = head
	l.wake()
	return head, nil
}

// admit refuses an append before anything is written for it.
func (l *Log) admit(ctx context.Context, after journal.Head, record []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	if l.cfg.ReadOnly {
		return fmt.Errorf("%w: the log was opened read-only", journal.ErrFailed)
	}
	if len(record) > journal.MaxRecord {
		return fmt.Errorf("%w: the record has %d bytes, the limit is %d", journal.ErrFailed, len(record), journal.MaxRecord)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if after.Index != l.tail.Index || after.Hash != l.tail.Hash {
		return fmt.Errorf("%w: index %d (%v) is not the tail, which is index %d (%v)", journal.ErrLost, after.Index, after.Hash, l.tail.Index, l.tail.Hash)
	}
	return nil
}

// active is the segment that takes appends. Under turn.
func (l *Log) active() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.segments[len(l.segments)-1]
}

// room returns a segment with room for a frame of size bytes, rolling over to
// a new one when the current one has none.
func (l *Log) room(size, record int) (*segment, error) {
	if err := l.spend(record); err != nil {
		return nil, err
	}
	s := l.active()
	if s.end+int64(size) <= s.dataEnd() {
		l.lookAhead(s)
		return s, nil
	}
	next, err := l.nextSegment(s, size)
	if err != nil {
		return nil, err
	}
	// The next segment is durable before this one is sealed: a footer then
	// proves that a next segment existed, so that losing it is noticed. And
	// the seal is durable before the first entry goes to the next.
	if err := l.seal(s); err != nil {
		l.fail(err)
		_ = next.release() // empty, and found again by the next Open
		return nil, fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sealed = true
	l.segments = append(l.segments, next)
	return next, nil
}

// seal makes the footer of s durable.
func (l *Log) seal(s *segment) error {
	if err := s.putSlot(s.file, s.footerSlot(), footerOf(s)); err != nil {
		return err
	}
	if err := s.file.SyncData(); err != nil {
		return fmt.Errorf("file: sync the footer of %s: %w", s.name, err)
	}
	return nil
}
