package store

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// MinMemory is the least Config.Memory, in bytes.
const MinMemory = 1 << 20

// Config says where a store lives and what it may use.
type Config struct {
	FS  disk.FS
	Dir string
	// Memory is what cached blocks and rows not yet flushed may take together,
	// in bytes, and the last batch before a flush beside it.
	Memory int64
	// ReadOnly opens an existing store without changing, creating or locking
	// a file. The caller makes sure that no other process changes it.
	ReadOnly bool
	// Logger hears what Pebble says, mostly at debug level; nil for nobody.
	Logger *slog.Logger
}

// Store is the rows of one partition on disk. Its methods may be called from
// several goroutines, but at most one Apply runs at a time.
type Store struct {
	db    *pebble.DB
	cache *pebble.Cache
	opts  *pebble.Options
	fuse  *fuse
	// compactions wait until the store is open.
	compactions *patient
	dir         string
	log         *slog.Logger
	rows        *Rows

	readOnly bool

	done    chan struct{}
	failure atomic.Pointer[error]

	users *users

	writing sync.Mutex    // held by whoever changes the active delta
	active  layer         // what is written to
	memory  int64         // bytes of all that is kept in memory
	limit   int64         // bytes of a delta that is full
	turning chan struct{} // closed when the last full delta is in tables; nil before the first
	eased   chan struct{} // something was compacted
	waited  atomic.Int64  // nanoseconds that writers spent in turn
	fresh   atomic.Int64  // tables written so far; a name is never used twice

	mu        sync.Mutex // held while newest is replaced
	newest    atomic.Pointer[view]
	snapshots map[*Snapshot]struct{}
}

// Open opens the store in c.Dir, creating it unless it is ReadOnly. A missing
// parent directory is created too. Errors wrap ErrFailed or ErrCorrupt.
func Open(c Config) (*Store, error) {
	if c.Memory < MinMemory {
		return nil, fmt.Errorf("%w: %d bytes of memory for %s; the least is %d", ErrFailed, c.Memory, c.Dir, MinMemory)
	}
	s := &Store{
		dir:       c.Dir,
		log:       c.Logger,
		readOnly:  c.ReadOnly,
		done:      make(chan struct{}),
		snapshots: make(map[*Snapshot]struct{}),
		users:     newUsers(),
		memory:    c.Memory,
		limit:     min(c.Memory/deltaShare, maxDelta),
		eased:     make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.compactions = &patient{CompactionScheduler: pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()}
	s.fuse = newFuse(c.FS, c.Dir, func(op string, err error) { s.fail(op, err) })
	s.rows = &Rows{store: s}
	if c.ReadOnly {
		s.fuse.blow(ErrReadOnly)
	} else if err := disk.MkdirAll(c.FS, c.Dir); err != nil {
		return nil, wrap(c.Dir, "making the directory", err)
	}
	there, err := checkManifest(c.FS, c.Dir)
	switch {
	case err != nil:
		return nil, opening(c.Dir, err)
	case !there && c.ReadOnly:
		return nil, fmt.Errorf("%w: there is no state in %s, and read-only makes none", ErrFailed, c.Dir)
	}
	// Two deltas may be full, and a memo outlives its tables for a moment; each shard of the cache may hold a block too many
	// for a moment.
	s.cache = pebble.NewCache(c.Memory - 2*s.limit - c.Memory/64 - c.Memory/memoShare)
	s.opts = options(s, c)
	s.opts.EnsureDefaults()
	db, err := pebble.Open(c.Dir, s.opts)
	if err != nil {
		s.cache.Unref()
		if s.Err() != nil {
			return nil, s.Err()
		}
		return nil, opening(c.Dir, err)
	}
	s.db = db
	first := &view{base: s.newBase()}
	if !c.ReadOnly {
		s.fuse.park()
		s.active = layer{delta: newDelta(s.limit)}
		first.layers = []layer{s.active}
		if err := s.removeFresh(); err != nil {
			s.fail("removing unfinished tables", err)
		}
	}
	s.newest.Store(first)
	s.compactions.open()
	if err := s.Err(); err != nil {
		_ = s.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

// Close releases what the store holds and loses nothing that was flushed; it
// does not flush. It waits for calls and iterations that run, so it must not
// be called from within one. Open snapshots answer ErrClosed from then on.
func (s *Store) Close() error {
	if !s.users.end() {
		return ErrClosed
	}
	s.fuse.release()
	s.users.wait()
	if s.turning != nil {
		<-s.turning
	}
	for snap := range s.snapshots {
		snap.end()
	}
	s.newest.Load().base.release()
	err := s.db.Close()
	s.cache.Unref()
	if s.Err() != nil {
		return s.Err()
	}
	return wrap(s.dir, "closing", err)
}
