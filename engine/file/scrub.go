package file

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem/journal"
)

// scrubForever re-reads the sealed segments now and then, slowly, so that rot
// is found while another copy still exists (RELIABILITY 1.8). What it finds
// ends the log: see Done and Err.
func (l *Log) scrubForever(ctx context.Context) {
	pause := time.NewTimer(l.cfg.ScrubEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.done:
			return
		case <-pause.C:
		}
		err := l.scrub(ctx, l.cfg.ScrubRate)
		if err != nil && ctx.Err() == nil {
			l.fail(err)
			return
		}
		pause.Reset(l.cfg.ScrubEvery)
	}
}

// Scrub re-reads every sealed segment now, at full speed, and returns the
// first damage it finds. It reads through the operating system's cache: what
// was read lately may be damaged on the disk without showing.
func (l *Log) Scrub(ctx context.Context) error { return l.scrub(ctx, 0) }

// scrub reads at most rate bytes per second; 0 means no limit.
func (l *Log) scrub(ctx context.Context, rate int64) error {
	for id := uint64(0); ; {
		c := l.pinSealed(id)
		if c == nil {
			return nil
		}
		id = c.s.id + 1
		err := scrubSegment(ctx, c, rate)
		if cerr := c.s.release(); err == nil && cerr != nil {
			err = fmt.Errorf("file: close %s: %w", c.s.name, cerr)
		}
		if err != nil {
			return err
		}
	}
}

// pinSealed returns a cursor over the first sealed segment with that id or a
// higher one, or nil.
func (l *Log) pinSealed(id uint64) *cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	for _, s := range l.segments {
		if s.id >= id && s.sealed {
			s.refs.Add(1)
			return &cursor{s: s, from: s.base, next: s.base, last: s.last, offset: dataStart, limit: s.end}
		}
	}
	return nil
}

// scrubSegment checks header, entries, chain and footer.
func scrubSegment(ctx context.Context, c *cursor, rate int64) error {
	s := c.s
	if _, err := readHeader(s.file, s.id, &s.log); err != nil {
		if d := (*Damage)(nil); errors.As(err, &d) {
			d.File = s.name
		}
		return err
	}
	hash, unpaced := s.prev, int64(0)
	for c.next <= c.last {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, index := c.offset, c.next
		f, err := c.entry()
		if err != nil {
			return err
		}
		if f.hash != hash {
			return s.damage(at, index, "the entry does not continue the chain (L2)")
		}
		hash = journal.Sum(f.payload)
		if unpaced += c.offset - at; unpaced >= scrubStep {
			if err := pace(ctx, unpaced, rate); err != nil {
				return err
			}
			unpaced = 0
		}
	}
	f, err := s.slot(s.footerSlot())
	if errors.Is(err, errZero) || errors.Is(err, errFrame) || err == nil && (f.kind != KindFooter || f.hash != hash || f.index != c.last) {
		return s.damage(s.footerSlot(), c.last, "the footer does not match the entries")
	}
	return err
}

// scrubStep is how many bytes are scrubbed between two waits.
const scrubStep = 64 << 10

// pace waits as long as reading n bytes may take at rate bytes per second.
func pace(ctx context.Context, n, rate int64) error {
	if rate == 0 {
		return nil
	}
	wait := time.NewTimer(time.Duration(n) * time.Second / time.Duration(rate))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
