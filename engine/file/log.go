package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/tally"
	"github.com/mainstemdb/mainstem/journal"
)

// defaultNoteAfter is Config.NoteAfter where it is 0.
const defaultNoteAfter = 100 * time.Millisecond

// Config says where a log lives and how. Only Dir is required.
type Config struct {
	// FS holds the directory; nil means the operating system's files.
	FS disk.FS
	// Dir is the log's own directory. It is made if it is missing.
	Dir string
	// SegmentSize is the size of one segment file in bytes, 16 KiB to
	// 256 MiB; 0 means 16 MiB. A restart after a crash rewrites one segment,
	// so that is also what bounds its time. A record that is larger than a
	// segment gets a segment of its own size.
	SegmentSize int64
	// ReadOnly opens the log to look at it: nothing is written, not even the
	// lock, and a torn tail is left out instead of repaired.
	ReadOnly bool
	// NoteAfter is how long after an acknowledgement the log notes durably, in
	// another place, what is durable; 0 means 100 ms. Appends do not wait for
	// it. It bounds what a crash with a damaged disk can lose unnoticed.
	NoteAfter time.Duration
	// ScrubRate is how fast sealed segments are re-read in the background, in
	// bytes per second; 0 means 4 MiB/s.
	ScrubRate int64
	// ScrubEvery is the pause between two such passes; 0 means 24 h.
	ScrubEvery time.Duration
	// After is the head that a new log begins behind, as if everything up to it had been
	// trimmed: its first record is the one that names After. A directory that holds a log
	// already is refused.
	After journal.Head
}

func (c Config) withDefaults() (Config, error) {
	if c.FS == nil {
		c.FS = disk.Default
	}
	if c.SegmentSize == 0 {
		c.SegmentSize = defaultSegment
	}
	if c.NoteAfter == 0 {
		c.NoteAfter = defaultNoteAfter
	}
	if c.ScrubRate == 0 {
		c.ScrubRate = 4 << 20
	}
	if c.ScrubEvery == 0 {
		c.ScrubEvery = 24 * time.Hour
	}
	switch {
	case c.Dir == "":
		return c, errors.New("file: Config.Dir is empty: name the directory of the log")
	case c.SegmentSize < minSegment || c.SegmentSize > maxSegment:
		return c, fmt.Errorf("file: Config.SegmentSize is %d: use %d to %d bytes", c.SegmentSize, minSegment, maxSegment)
	case c.NoteAfter < time.Millisecond || c.ScrubRate < 1 || c.ScrubEvery < 0:
		return c, errors.New("file: Config.NoteAfter, ScrubRate or ScrubEvery is out of range: NoteAfter is at least 1 ms, the others are positive")
	}
	c.SegmentSize = c.SegmentSize / 4096 * 4096
	return c, nil
}

// Log is a journal.Log in segment files. Slot and Index are the same here.
type Log struct {
	cfg  Config
	id   [16]byte
	lock io.Closer // nil when read-only
	weak string

	// turn admits one of Append, Trim and Close at a time. It guards what
	// only they use.
	turn sync.Mutex
	buf  []byte // of the frame being written, reused
	full bool   // the disk was full: the reserve is given up
	// spare is the file of the next segment, made ahead; nil if it is not begun.
	spare *spare

	mu       sync.Mutex
	segments []*segment // oldest first; the last one takes appends
	tail     journal.Head
	waiters  chan struct{} // closed when the tail moves; nil when nobody waits
	failed   error         // first write, sync, close or scrub error
	closed   bool

	leftover  []string // files that recovery removes once it has decided
	recovered Recovery
	syncs     tally.Histogram // nanoseconds
	done      chan struct{}   // closed when the log failed or was closed
	stop      context.CancelFunc
	tasks     sync.WaitGroup
}

var _ journal.Log = (*Log)(nil)

// Open opens the log in cfg.Dir, or makes a new one there. It takes the
// directory's lock for as long as the log is open, repairs what an unclean
// shutdown may leave behind, and refuses what it cannot explain:
//
//   - an error that wraps journal.ErrCorrupt, with a *Damage inside, when
//     something acknowledged is missing or damaged. Nothing was changed.
//   - ErrVersion, when a newer build wrote the directory.
//
// The context bounds opening only.
func Open(ctx context.Context, cfg Config) (*Log, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{cfg: cfg, done: make(chan struct{})}
	if !cfg.ReadOnly {
		if err := disk.MkdirAll(cfg.FS, cfg.Dir); err != nil {
			return nil, fmt.Errorf("file: make %s: %w", cfg.Dir, err)
		}
		if l.lock, err = disk.LockDir(cfg.FS, cfg.Dir); err != nil {
			return nil, fmt.Errorf("file: open the log: %w", err)
		}
	}
	if err := l.recover(ctx); err != nil {
		_ = l.releaseAll() // the first error is the one to tell
		return nil, err
	}
	l.weak = disk.Weakness(cfg.FS, cfg.Dir)
	background, stop := context.WithCancel(context.Background())
	l.stop = stop
	if !cfg.ReadOnly {
		noted := l.tail.Index
		l.tasks.Go(func() { l.noteNowAndThen(background, noted) })
		l.tasks.Go(func() { l.scrubForever(background) })
	}
	return l, nil
}

// Guarantees says what an acknowledgement of this log means here.
func (l *Log) Guarantees() journal.Guarantees {
	g := promise(l.cfg.NoteAfter)
	if l.weak != "" {
		g.Synced, g.Weak = false, []string{l.weak}
	}
	return g
}

// Promise is what an acknowledgement means on a file system whose sync is one.
func Promise() journal.Guarantees { return promise(defaultNoteAfter) }

func promise(noteAfter time.Duration) journal.Guarantees {
	return journal.Guarantees{
		Engine: "file", Synced: true, Machines: 1, Copies: 1,
		Loses: "the loss of this disk; and, when a crash and damage to the very end of the log coincide, the damaged records there, " +
			"of those acknowledged in the last " + noteAfter.String() + " (one, if only the newest is damaged)",
	}
}

// Tail returns the newest durable entry's head; the zero Head when the log is
// empty.
func (l *Log) Tail() journal.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail
}

// Done is closed when the log has failed or was closed. A failed log still
// reads; to write again, close it and open the directory anew.
func (l *Log) Done() <-chan struct{} { return l.done }

// Err is what the log failed of, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// fail marks the log failed (RELIABILITY 1.2): a descriptor that reported an
// error once is never trusted again, because the kernel may report success on
// the next sync without having written anything.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return
	}
	l.failed = err
	if !l.closed {
		close(l.done)
	}
	l.wake()
}

// wake lets every waiter look again. Under mu.
func (l *Log) wake() {
	if l.waiters != nil {
		close(l.waiters)
		l.waiters = nil
	}
}

// usable is nil, or why nothing can be written any more. Under mu.
func (l *Log) usable() error {
	switch {
	case l.closed:
		return fmt.Errorf("%w: the log is closed", journal.ErrFailed)
	case l.failed != nil:
		return fmt.Errorf("%w: the log has failed, close it and open it again: %w", journal.ErrFailed, l.failed)
	}
	return nil
}

// Wait returns nil as soon as a durable entry exists at slot or above; the
// context's error when ctx ends first; ErrFailed when none can come.
func (l *Log) Wait(ctx context.Context, slot uint64) error {
	for {
		l.mu.Lock()
		if err := l.usable(); err != nil && (l.closed || l.tail.Slot < slot) {
			l.mu.Unlock()
			return err
		}
		if l.tail.Slot >= slot && l.tail.Slot > 0 {
			l.mu.Unlock()
			return nil
		}
		if l.waiters == nil {
			l.waiters = make(chan struct{})
		}
		moved := l.waiters
		l.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Confirm returns nil if head is the tail. The directory's lock makes this
// process the only writer, so memory is proof enough (L8).
func (l *Log) Confirm(ctx context.Context, head journal.Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if head.Index != l.tail.Index || head.Hash != l.tail.Hash {
		return fmt.Errorf("%w: asked about index %d (%v), the tail is index %d (%v)", journal.ErrLost, head.Index, head.Hash, l.tail.Index, l.tail.Hash)
	}
	return nil
}

// Close writes the mark of a clean shutdown, so that from then on any damage
// to the tail is seen, and releases the lock. It waits for a running Append.
// A log that failed is closed without the mark. Closing twice is a no-op.
func (l *Log) Close() error {
	l.stop()
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	failed := l.failed
	if failed == nil {
		close(l.done)
	}
	l.wake()
	l.mu.Unlock()
	l.tasks.Wait()
	if f := l.takeSpare(l.cfg.SegmentSize); f != nil {
		l.discard(f)
	}
	var err error
	if failed == nil && !l.cfg.ReadOnly && l.Err() == nil {
		err = l.putNotes(KindMark)
	}
	return errors.Join(err, l.releaseAll())
}

// releaseAll gives up every file and then the lock.
func (l *Log) releaseAll() error {
	errs := []error{}
	for _, s := range l.segments {
		if err := s.release(); err != nil {
			errs = append(errs, fmt.Errorf("file: close %s: %w", s.name, err))
		}
	}
	if l.lock != nil {
		if err := l.lock.Close(); err != nil {
			errs = append(errs, fmt.Errorf("file: release the lock of %s: %w", l.cfg.Dir, err))
		}
	}
	return errors.Join(errs...)
}
