package mainstem

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

// Parked is a change that a follower could not handle and passed over.
type Parked struct {
	Follower    string      `json:"follower"`
	Shard       int         `json:"shard"`
	Partition   int         `json:"partition"`
	Incarnation Incarnation `json:"incarnation"`
	Position    Position    `json:"position"`
	// Group is the group that the change is of.
	Group string `json:"group"`
	// Error is what its last delivery failed with, at most 4 KiB.
	Error string `json:"error"`
	// Deliveries is how often it was delivered alone.
	Deliveries int `json:"deliveries"`
	// After is where the follower was just before it.
	After Token `json:"after"`
}

func parkedKey(partition int, p Position) Key[Parked] {
	return NewKeys(parkedPrefix, JSON[Parked]()).Key(fmt.Sprintf("%04d/%020d", partition, uint64(p)))
}

// deliver hands a batch to the function until it commits, is to be narrowed,
// or is parked. before is what the shard had seen before the batch.
func (s *shard) deliver(ctx context.Context, b Batch, before Token) error {
	if s.of.hands != nil {
		return s.handOut(b)
	}
	pause := 10 * time.Millisecond
	for deliveries := 1; ; {
		fault, err := s.attempt(ctx, b.Changes)
		switch {
		case err != nil:
			return err
		case fault == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case CodeOf(fault).Retryable(): // nobody's fault: it does not count
		case deliveries < s.of.settings.redeliver && CodeOf(fault) != TooLarge:
			deliveries++
		case len(b.Changes) > 1:
			s.careful, s.partition, s.until = true, b.Partition, b.Changes[len(b.Changes)-1].Position
			return errStep
		default:
			return s.park(ctx, b.Changes[0], before, fault, deliveries)
		}
		if !sleep(s.feed, pause/2+rand.N(pause)) {
			return errStep // let go, or lost: the next holder delivers it
		}
		pause = min(pause*4, 10*time.Second)
	}
}

// attempt delivers a batch once.
func (s *shard) attempt(ctx context.Context, changes []Change) (fault, err error) {
	around := s.of.settings.around
	if around == nil {
		around = func(ctx context.Context, _ []Change) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	ctx, end := around(ctx, changes)
	fault, err = s.commit(ctx, func(tx *Txn) error { return s.call(ctx, tx, changes) })
	end(first(err, fault))
	return fault, err
}

// park notes a change that cannot be handled, and moves on, in one transaction.
func (s *shard) park(ctx context.Context, c Change, before Token, why error, deliveries int) error {
	p := Parked{
		Follower: s.of.name, Shard: s.number, Partition: c.Partition, Incarnation: c.Incarnation, Position: c.Position,
		Group: c.Group, Error: shorten(why), Deliveries: deliveries, After: before,
	}
	fault, err := s.commit(ctx, func(tx *Txn) error { return parkedKey(c.Partition, c.Position).Put(tx, p) })
	if err == nil {
		err = fault
	}
	return err
}

// Parked yields the changes that a follower has passed over, shard by shard,
// in the order of their positions.
func (db *DB) Parked(ctx context.Context, follower string) iter.Seq2[Parked, error] {
	return func(yield func(Parked, error) bool) {
		if err := checkFollower(follower); err != nil {
			yield(Parked{}, err)
			return
		}
		for shard := range FollowShards {
			v, err := db.Group(shardGroup(follower, shard)).View(ctx, Latest())
			if err != nil {
				yield(Parked{}, err)
				return
			}
			more := yieldParked(ctx, v, yield)
			if err := v.Close(); err != nil && more {
				yield(Parked{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

func yieldParked(ctx context.Context, v *View, yield func(Parked, error) bool) bool {
	for item, err := range NewKeys(parkedPrefix, JSON[Parked]()).All(ctx, v) {
		if !yield(item.Value, err) || err != nil {
			return false
		}
	}
	return true
}

// Unpark hands a parked change to fn again and, if fn succeeds, takes it off
// the list in the same transaction; it does so once, however often it is
// called. A function that does nothing discards the change. Its order to the
// changes after it, which were handled meanwhile, is lost. A change that the
// feed no longer has is Trimmed, one that is no longer parked is Conflict.
func (db *DB) Unpark(ctx context.Context, p Parked, fn FollowFunc) error {
	if err := checkFollower(p.Follower); err != nil {
		return err
	}
	c, err := db.parkedChange(ctx, p)
	if err != nil {
		return err
	}
	// Neither lease nor cursor: the shard goes on elsewhere at the same time.
	s := &shard{of: &follower{db: db, name: p.Follower, fn: fn}}
	_, err = db.ownGroup(shardGroup(p.Follower, p.Shard)).Do(ctx, "", func(tx *Txn) error {
		key := parkedKey(p.Partition, p.Position)
		if _, exists, err := key.Get(ctx, tx); err != nil || !exists {
			return first(err, Errorf(Conflict, "%s is not parked by follower %q", where(c), p.Follower))
		}
		if err := s.call(ctx, tx, []Change{c}); err != nil {
			return err
		}
		key.Delete(tx)
		return nil
	})
	return err
}

// parkedChange finds the change in the feed.
func (db *DB) parkedChange(ctx context.Context, p Parked) (Change, error) {
	from := From{After: p.After, Match: Match{Groups: []string{p.Group}}, Drain: true}
	for batch, err := range db.Changes(ctx, from) {
		if err != nil {
			return Change{}, err
		}
		for _, c := range batch.Changes {
			if c.Partition == p.Partition && c.Position == p.Position && c.Incarnation == p.Incarnation {
				return c, nil
			}
		}
	}
	return Change{}, Errorf(Trimmed, "the change at partition %d, position %s, parked by follower %q, is no longer in the feed",
		p.Partition, p.Position, p.Follower)
}
