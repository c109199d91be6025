package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// A checkpoint record is due when the log has grown, at most this often.
const (
	checkpointEvery = 5 * time.Second
	checkpointBytes = 64 << 10
)

// sweeper takes the digest of one range of slots, as it was just after the
// last checkpoint record, beside the writer and never in its way; the next
// checkpoint record carries it. On the way it collects garbage.
type sweeper struct {
	mu      sync.Mutex
	grown   int       // bytes of log since the last checkpoint
	last    time.Time // of the last checkpoint
	forced  bool
	carried bool               // a checkpoint record is on its way to the disk
	settled *record.Checkpoint // the digest that is ready, if any
	// unsaved is the bytes of log since the last snapshot.
	unsaved int64
	// saved is the log age of the last snapshot that this process made.
	saved mainstem.LogAge
	work  chan sweep
	ended chan struct{}
	busy  bool
}

type sweep struct {
	snapshot *store.Snapshot
	tail     *state.Tail
}

func (s *sweeper) init() {
	s.work, s.ended = make(chan sweep, 1), make(chan struct{})
	s.last = time.Now()
}

func (s *sweeper) wait() { <-s.ended }

func (s *sweeper) grow(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grown += bytes
	s.unsaved += int64(bytes)
}

// due reports whether the next record should be a checkpoint. The interval is
// the machine's own time: it paces work and decides nothing.
func (s *sweeper) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forced || s.grown >= checkpointBytes && time.Since(s.last) >= checkpointEvery && len(s.work) == 0
}

// force makes the next record a checkpoint, unless one is on its way.
func (s *sweeper) force() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forced = s.forced || !s.carried
}

// lost says that a checkpoint record that was on its way was not written.
func (s *sweeper) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried = false
}

// checkpoint is what the next checkpoint record carries.
func (s *sweeper) checkpoint(tail *state.Tail, horizons []mainstem.Position) *record.Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &record.Checkpoint{Range: tail.AskedRange, Next: (tail.AskedRange + 1) % state.Ranges, Horizons: horizons}
	if s.settled != nil && s.settled.Settled == tail.Asked {
		c.Settled, c.Digest = s.settled.Settled, s.settled.Digest
	}
	s.settled, s.grown, s.last, s.forced, s.carried = nil, 0, time.Now(), false, true
	return c
}

// begin hands over the frozen state just after a checkpoint record.
func (s *sweeper) begin(snapshot *store.Snapshot, tail *state.Tail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried = false
	select {
	case old := <-s.work:
		// It was not begun: that range has no digest this time.
		old.snapshot.Close()
	default:
	}
	s.busy = true
	s.work <- sweep{snapshot, tail} // there is room: only the loop sends
}

// rest says that a digest was taken.
func (s *sweeper) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = len(s.work) > 0
}

// Sweeping reports whether a digest of the partition is being taken.
func (n *Node) Sweeping(partition int) bool {
	s := &n.parts[partition].sweeper
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// sweep runs until the partition stops.
func (p *partition) sweep() {
	defer close(p.sweeper.ended)
	for {
		select {
		case <-p.stopping:
			select {
			case work := <-p.sweeper.work:
				work.snapshot.Close()
			default:
			}
			return
		case work := <-p.sweeper.work:
			err := p.sweepRange(work)
			work.snapshot.Close()
			p.sweeper.rest()
			if err == nil {
				p.save()
			} else if p.down() == nil {
				p.storeFailed(err)
			}
		}
	}
}

// A snapshot is made and the log trimmed after so much log, and while there are
// records beyond their retention, once in a quarter of it.
const (
	snapshotBytes = 1 << 30
	snapshotEvery = time.Hour // of log age, at most
)

func (p *partition) saveDue() (bool, error) {
	p.sweeper.mu.Lock()
	unsaved, saved := p.sweeper.unsaved, p.sweeper.saved
	p.sweeper.mu.Unlock()
	if unsaved >= snapshotBytes {
		return true, nil
	}
	rows, release, tail, err := p.reading()
	if err != nil {
		return false, nil // the partition ends
	}
	defer release()
	now, retain := p.age(tail), time.Duration(tail.Settings.Retain)
	every := max(retain/4, snapshotEvery)
	oldest, ok, err := state.OldestPlace(rows)
	return ok && now.Sub(oldest.Age) > retain+every && now.Sub(saved) >= every, err
}

// save makes a snapshot and trims the log when it is time. That it fails, on a
// full disk for example, is told and tried again: nothing depends on it but
// space.
func (p *partition) save() {
	ctx, cancel := p.whileServing()
	defer cancel()
	p.sweeper.mu.Lock()
	unsaved := p.sweeper.unsaved
	p.sweeper.mu.Unlock()
	p.wakeDeposit(ctx, unsaved)
	due, err := p.saveDue()
	if err != nil {
		p.storeFailed(err)
		return
	}
	if !due {
		return
	}
	at := p.age(p.applied())
	if err = p.snapshot(ctx); err == nil {
		err = p.trim(ctx)
	}
	p.sweeper.mu.Lock()
	p.sweeper.unsaved, p.sweeper.saved = 0, at
	p.sweeper.mu.Unlock()
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, store.ErrCorrupt):
		p.storeFailed(err) // the copy shares its files with the state (L12)
	default:
		p.logger.Warn("a snapshot or trimming the log failed; it is tried again when the log has grown", "err", err)
	}
}

// whileServing is a context that ends when the partition stops.
func (p *partition) whileServing() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-p.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (p *partition) sweepRange(work sweep) error {
	ctx, cancel := p.whileServing()
	defer cancel()
	var dead []state.Write
	flush := func() error {
		err := p.change(dead, nil)
		dead = dead[:0]
		return err
	}
	digest, err := state.Sweep(work.snapshot, work.tail, work.tail.AskedRange, func(key []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		dead = append(dead, state.Write{Key: append([]byte(nil), key...), Delete: true})
		if len(dead) < 1000 {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	p.sweeper.mu.Lock()
	defer p.sweeper.mu.Unlock()
	select {
	case p.council.found <- record.Vote{Settled: work.tail.Asked, Range: work.tail.AskedRange, Digest: digest}:
	default: // the loop has not looked for long
	}
	p.sweeper.settled = &record.Checkpoint{Settled: work.tail.Asked, Range: work.tail.AskedRange, Digest: digest}
	return nil
}

// Checkpoint makes every partition write a checkpoint record now, so that
// history and sessions beyond their age are let go.
func (n *Node) Checkpoint(ctx context.Context) error {
	if n.cfg.ReadOnly {
		return mainstem.Errorf(mainstem.Denied, "the database is open read-only")
	}
	for _, p := range n.parts {
		if err := p.checkpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *partition) checkpoint(ctx context.Context) error {
	if err := p.down(); err != nil {
		return err
	}
	before := p.applied().Asked
	for {
		news := p.node.listen()
		if p.applied().Asked != before {
			return nil
		}
		// Again each time: the record that carried it may have found no room.
		p.sweeper.force()
		p.queue.poke()
		select {
		case <-news:
		case <-p.stopping:
			// What the checkpoint has begun may find damage at once: it is written all the same.
			if p.applied().Asked == before {
				return p.reason
			}
		case <-ctx.Done():
			return mainstem.Errorf(mainstem.Unavailable, "waiting for a checkpoint: %w", ctx.Err())
		}
	}
}

func (p *partition) applied() *state.Tail {
	return p.newest.Load().tail
}
