package mainstem

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// shard is one shard of a follower at work in this instance.
type shard struct {
	of      *follower
	group   Group
	match   Match
	number  int
	feed    context.Context // ends before the work does when the shard is let go
	letGo   context.CancelFunc
	working atomic.Bool // the lease is ours

	token  FencingToken
	cursor string // the cursor as it is stored; empty for none
	seen   Token  // what this instance has seen, at least the cursor
	handed handed // where batches are handed out
	// While careful, changes are delivered one by one: up to position until
	// of the partition, one of them fails.
	careful   bool
	partition int
	until     Position
}

var (
	errCursorMoved = errors.New("mainstem: the cursor was moved")
	errStep        = errors.New("mainstem: the feed is read on in other steps")
)

// run holds the shard's lease and works under it, until it is let go, loses
// the lease, or fails. A lease that is held elsewhere ends it as Held.
func (s *shard) run(ctx context.Context) error {
	grant, err := s.group.Acquire(s.feed, shardLease, s.of.instance, s.of.settings.ttl)
	switch {
	case s.feed.Err() != nil && err != nil:
		return nil // let go before it began
	case err != nil:
		return err
	}
	s.token = grant.Token
	s.working.Store(true)
	defer s.working.Store(false)
	err = s.group.Keep(ctx, grant, s.work)
	release, cancel := s.of.parting(ctx)
	defer cancel()
	_ = s.group.Release(release, grant) // a courtesy: else the lease ends with its TTL
	return err
}

// work reads the feed from the cursor, again whenever something passing ended it.
func (s *shard) work(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.letGo) // a lost lease ends the feed at once
	defer stop()
	if s.of.hands != nil {
		watching, end := context.WithCancel(ctx)
		var watch sync.WaitGroup
		watch.Go(func() { s.watch(watching) })
		defer watch.Wait()
		defer end()
	}
	pause := s.of.settings.ttl / 100
	for {
		err := s.load(ctx)
		if err == nil {
			err = s.read(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.feed.Err() != nil:
			return nil
		case err == nil, errors.Is(err, errCursorMoved), errors.Is(err, errStep):
		case CodeOf(err).Retryable():
			if !sleep(s.feed, pause/2+rand.N(pause)) {
				return nil
			}
			pause = min(pause*2, s.of.settings.ttl)
			continue
		default:
			return err
		}
		pause = s.of.settings.ttl / 100
	}
}

// load reads where the follower is. One that hands batches out goes on after those that
// are not acknowledged yet: they come again in another turn only.
func (s *shard) load(ctx context.Context) (err error) {
	var cursor Token
	if s.cursor, cursor, err = s.group.cursor(ctx); err != nil {
		return err
	}
	seen := cursor
	if s.cursor == "" {
		seen = s.of.settings.start
	}
	if s.of.hands != nil {
		s.handed.looked(s.cursor, cursor)
		seen = s.seen.Merge(seen)
	}
	s.seen = seen
	return nil
}

// read delivers what the feed has, up to the head and then as it comes, for
// savePause at most.
func (s *shard) read(ctx context.Context) error {
	if err := s.catchUp(ctx); err != nil || s.feed.Err() != nil {
		return err
	}
	feed, cancel := context.WithTimeout(s.feed, savePause*s.of.settings.ttl)
	defer cancel()
	err := s.pass(ctx, feed, s.from())
	if feed.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// savePause is how many TTLs a cursor may stay where it is while the log goes
// on: a minute by default. Saving is itself a change, so it is not done more often.
const savePause = 4

// catchUp delivers what there is up to the head, and moves the cursor there:
// also over what is not the follower's, so that the log is not trimmed away
// under a shard that has nothing to do.
func (s *shard) catchUp(ctx context.Context) error {
	var head Token
	// A partition that is none of this shard's may be damaged (L12): then the
	// cursor moves only with what is delivered.
	if cut, err := s.of.db.Cut(ctx, Latest()); err == nil {
		head = cut.Stamp().Token
		if err := cut.Close(); err != nil {
			return err
		}
	}
	from := s.from()
	from.Drain = true
	if err := s.pass(ctx, s.feed, from); err != nil || s.feed.Err() != nil {
		return err
	}
	s.seen = s.seen.Merge(head)
	if s.seen.String() == s.cursor || s.handed.waits() {
		return nil
	}
	_, err := s.commit(ctx, func(*Txn) error { return nil })
	return err
}

func (s *shard) from() From {
	from := From{After: s.seen, Match: s.match, Max: s.of.settings.batch}
	if s.careful {
		from.Max = 1
	}
	return from
}

// pass delivers what one reading of the feed yields.
func (s *shard) pass(ctx, feed context.Context, from From) error {
	for batch, err := range s.of.db.Changes(feed, from) {
		if err != nil {
			return err
		}
		last := Position(0)
		if n := len(batch.Changes); n > 0 {
			last = batch.Changes[n-1].Position
		}
		before := s.seen
		s.seen = batch.Token
		batch.Changes = slices.DeleteFunc(slices.Clone(batch.Changes), func(c Change) bool { return reserved(c.Group) })
		if len(batch.Changes) > 0 {
			if err := s.deliver(ctx, batch, before); err != nil {
				return err
			}
		}
		if s.careful && batch.Partition == s.partition && last >= s.until {
			s.careful = false
			return errStep
		}
		if s.feed.Err() != nil {
			return nil
		}
	}
	return nil
}

// commit commits what do asks for together with the cursor, if this instance
// still holds the lease and nobody has moved the cursor (L9). fault is the
// error of do, or what was wrong with that which it asked for; err is anything
// else.
func (s *shard) commit(ctx context.Context, do func(tx *Txn) error) (fault, err error) {
	var reads int
	cursor := s.seen.String()
	_, err = s.group.Do(ctx, "", func(tx *Txn) error {
		tx.Require(LeaseHeld{Lease: shardLease, Token: s.token})
		tx.Require(cursorIs(s.cursor))
		if fault = do(tx); fault != nil {
			return errFault // not fault itself: its code would speak for the transaction
		}
		reads = len(tx.reads)
		tx.Put(cursorKey, []byte(cursor))
		return nil
	})
	var failed *Error
	errors.As(err, &failed)
	switch {
	case err == nil:
		s.cursor = cursor
		return nil, nil
	case errors.Is(err, errFault):
		return fault, nil
	case ctx.Err() != nil || failed == nil:
		return nil, err
	case failed.Condition == reads+1:
		return nil, err // fenced: the shard is somebody else's
	case failed.Condition == reads+2:
		return nil, errCursorMoved
	case ofTheRequest(failed.Code):
		return err, nil
	default:
		return nil, err
	}
}

var errFault = errors.New("mainstem: the follower's function failed")

// ofTheRequest reports whether a code speaks of what a transaction asked for,
// and not of the state of the database.
func ofTheRequest(c Code) bool {
	switch c {
	case Conflict, Held, Fenced, Exists, OutOfRange, WrongGroup, Trimmed, TooLarge, Invalid:
		return true
	default:
		return false
	}
}

// call runs the user's function, and refuses what would break the shard's own
// bookkeeping.
func (s *shard) call(ctx context.Context, tx *Txn, changes []Change) error {
	if err := s.of.fn(ctx, tx, changes); err != nil && !tx.refused {
		return err
	}
	if tx.refused {
		return Errorf(Invalid, "a follower cannot refuse: the cursor would stay; return nil to pass over a change, or an error to have it parked")
	}
	for _, o := range tx.operations {
		if name := written(o); reserved(name) {
			return Errorf(Invalid, "%T of %q: names that begin with ~ are Mainstem's own in a follower's group", o, name)
		}
	}
	return nil
}

// written is the name of the key or lease that an operation changes.
func written(o Operation) string {
	switch o := o.(type) {
	case Put:
		return o.Name
	case Delete:
		return o.Name
	case Add:
		return o.Name
	case Acquire:
		return o.Lease
	case Renew:
		return o.Lease
	case Release:
		return o.Lease
	default:
		return ""
	}
}

// where names a change for people.
func where(c Change) string {
	return fmt.Sprintf("change at partition %d, position %s, group %s", c.Partition, c.Position, quoteShort(c.Group))
}

// shorten keeps an error's text storable.
func shorten(err error) string {
	const most = 4 << 10
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
