package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// readChunk is how much a reader fetches at a time, in bytes.
const readChunk = 256 << 10

// Read yields the entries from slot from up to the tail at the time of the
// call. Every entry's checksums are verified (L12). A failed log still reads.
func (l *Log) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	upTo := l.Tail().Index
	return func(yield func(journal.Entry, error) bool) {
		if err := l.readable(from); err != nil {
			yield(journal.Entry{}, err)
			return
		}
		for next := from; next <= upTo; {
			c, err := l.pin(next, upTo)
			if err != nil {
				yield(journal.Entry{}, err)
				return
			}
			next = c.last + 1
			more := l.readSegment(ctx, c, yield)
			c.leave()
			if err := c.s.release(); err != nil && more {
				yield(journal.Entry{}, fmt.Errorf("file: close %s: %w", c.s.name, err))
				return
			}
			if !more {
				return
			}
		}
	}
}

// readSegment yields what the cursor covers; false means to stop.
func (l *Log) readSegment(ctx context.Context, c *cursor, yield func(journal.Entry, error) bool) bool {
	for c.next <= c.last {
		err := ctx.Err()
		if err == nil {
			err = l.pass(c)
		}
		var f frame
		if err == nil {
			f, err = c.entry()
		}
		if err != nil {
			yield(journal.Entry{}, err)
			return false
		}
		if f.index < c.from {
			continue
		}
		if !yield(journal.Entry{Slot: f.index, Record: append([]byte(nil), f.payload...)}, nil) {
			return false
		}
	}
	return true
}

// readable is nil while the log is open and index may be in it.
func (l *Log) readable(index uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has(index)
}

// pass is readable for the entry at a cursor. Whoever reads on from about there later need
// not walk the segment from its start.
func (l *Log) pass(c *cursor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.s.way.pass(c.next, c.offset)
	return l.has(c.next)
}

// has is readable, under Log.mu.
func (l *Log) has(index uint64) error {
	if l.closed {
		return fmt.Errorf("%w: the log is closed", journal.ErrFailed)
	}
	if oldest := l.segments[0].base; index < oldest {
		return fmt.Errorf("%w: slot %d, the oldest kept one is %d", journal.ErrTrimmed, index, oldest)
	}
	return nil
}

// pin finds the segment that holds index and takes a reference to it, so that
// neither Trim nor Close pulls the file away from under a reader.
func (l *Log) pin(index, upTo uint64) (*cursor, error) {
	if err := l.readable(index); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.base <= index && index <= s.last {
			s.refs.Add(1)
			return newCursor(s, index, min(s.last, upTo)), nil
		}
	}
	// upTo was the tail, and the tail never moves back: a trim came between.
	return nil, fmt.Errorf("%w: slot %d was trimmed meanwhile", journal.ErrTrimmed, index)
}

// cursor walks the entries of one segment through a window of its bytes.
type cursor struct {
	s      *segment
	from   uint64 // first index that is wanted
	next   uint64 // index at offset
	last   uint64 // where to stop
	offset int64
	limit  int64 // end of the data that may be read
	window []byte
	start  int64 // offset of the window
}

// newCursor starts at the waypoint before from. Under Log.mu.
func newCursor(s *segment, from, last uint64) *cursor {
	w, window := s.seek(from), windows.Get().(*[]byte)
	return &cursor{s: s, from: from, next: w.index, last: last, offset: w.offset, limit: s.end, window: (*window)[:0]}
}

// windows are those of cursors that have ended: a follower makes one for each part it reads.
var windows = sync.Pool{New: func() any { return new(make([]byte, readChunk)) }}

// leave ends a cursor: what it has returned is not good any more.
func (c *cursor) leave() {
	if window := c.window[:0]; cap(window) == readChunk { // a larger one was for one large entry
		windows.Put(&window)
	}
	c.window = nil
}

// entry returns the entry at the cursor, verified, and steps over it. The
// payload is good until the next call.
func (c *cursor) entry() (frame, error) {
	b, err := c.bytes(frameHeader)
	if err != nil {
		return frame{}, err
	}
	_, length, err := decodeHead(b, c.s.mixed, c.offset)
	if err == nil {
		if b, err = c.bytes(frameSize(length)); err != nil {
			return frame{}, err
		}
	}
	var f frame
	size := 0
	if err == nil {
		f, size, err = decodeFrame(b, c.s.mixed, c.offset)
	}
	switch {
	case errors.Is(err, ErrVersion):
		return frame{}, err
	case err != nil:
		return frame{}, c.s.damage(c.offset, c.next, "an entry is damaged (L12): "+err.Error())
	case f.kind != KindEntry || f.index != c.next:
		return frame{}, c.s.damage(c.offset, c.next, fmt.Sprintf("found %s %d instead", f.kind, f.index))
	}
	c.next++
	c.offset += int64(size)
	return f, nil
}

// bytes returns n bytes at the cursor.
func (c *cursor) bytes(n int) ([]byte, error) {
	if c.offset+int64(n) > c.limit {
		return nil, c.s.damage(c.offset, c.next, "the entry runs beyond the segment's data")
	}
	at := c.offset - c.start
	if at < 0 || at+int64(n) > int64(len(c.window)) {
		want := min(max(int64(n), readChunk), c.limit-c.offset)
		if int64(cap(c.window)) < want {
			c.window = make([]byte, want)
		}
		c.window = c.window[:want]
		c.start, at = c.offset, 0
		if err := readFull(c.s.file, c.window, c.offset); err != nil {
			c.window = c.window[:0]
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, c.s.damage(c.offset, c.next, "the file is shorter than it was made")
			}
			return nil, fmt.Errorf("file: read %s at %d: %w", c.s.name, c.offset, err)
		}
	}
	return c.window[at : at+int64(n)], nil
}

func readFull(f disk.File, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}
