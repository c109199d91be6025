package mainstem

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"
)

// FollowShards is how many shards a follower has: each is a sixteenth of the
// slots, and is worked on by one instance at a time.
const FollowShards = 16

// FollowFunc handles consecutive changes of one partition. What it asks for
// through tx commits together with the cursor, or not at all (L9); tx works in
// the shard's own group, FollowGroup. See DB.Follow.
type FollowFunc func(ctx context.Context, tx *Txn, batch []Change) error

// FollowOption refines one Follow. The set is closed.
type FollowOption interface{ apply(*followSettings) }

type followSettings struct {
	start     Token
	batch     int
	redeliver int
	ttl       time.Duration
	around    func(ctx context.Context, batch []Change) (context.Context, func(error))
}

type followOption func(*followSettings)

func (o followOption) apply(s *followSettings) { o(s) }

// StartAfter is where a follower begins that has no cursor yet. The default is
// the oldest change kept.
func StartAfter(t Token) FollowOption { return followOption(func(s *followSettings) { s.start = t }) }

// BatchOf bounds the changes in one batch; the default is DefaultFollowBatch.
func BatchOf(n int) FollowOption { return followOption(func(s *followSettings) { s.batch = n }) }

// Redeliver is how often a batch that fails is delivered in all, before it is
// narrowed, and then how often a single change is, before it is parked; the
// default is DefaultRedeliver.
func Redeliver(n int) FollowOption { return followOption(func(s *followSettings) { s.redeliver = n }) }

// HandOver is the TTL of a shard's lease: after an instance dies, others go on
// with its shards about that much later. The default is DefaultHandOver, the
// least 100 ms.
func HandOver(ttl time.Duration) FollowOption {
	return followOption(func(s *followSettings) { s.ttl = ttl })
}

// Around stands around every delivery: begin is called before the function runs,
// which works with the context that begin returns, as does the transaction that
// it fills. end is called with what came of that: nil when it has committed.
// Package observe has one that measures and traces.
func Around(begin func(ctx context.Context, batch []Change) (_ context.Context, end func(error))) FollowOption {
	return followOption(func(s *followSettings) { s.around = begin })
}

// followerKey is the key of a follower's name in the contexts of its calls.
type followerKey struct{}

// FollowerOf is the name of the follower that a call of a Backend, or of the
// function that Around was given, works for; empty for none.
func FollowerOf(ctx context.Context) string {
	name, _ := ctx.Value(followerKey{}).(string)
	return name
}

// WithFollower is ctx for calls on behalf of a follower: for a Backend that takes
// calls in from elsewhere, and passes them on.
func WithFollower(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, followerKey{}, name)
}

// Defaults of Follow.
const (
	DefaultFollowBatch = 256
	DefaultRedeliver   = 5
	DefaultHandOver    = 15 * time.Second
)

// LimitFollower is the most bytes of a follower's name.
const LimitFollower = 256

// Follow hands every change that matches to fn, in order within a partition,
// and keeps its place durably under the follower's name. It runs until ctx
// ends, and then returns the cause; it returns earlier with an error that it
// cannot work around.
//
// Any number of instances may follow under one name: the 16 shards spread over
// them, each under a lease, so a batch is handled by one instance, and a batch
// handled by one that was replaced meanwhile commits nothing (L7, L9). fn is
// called from several goroutines, one per shard.
//
// An effect in another group is a transaction of its own, which may be
// delivered again: give it the ID EffectID(name, change.Incarnation,
// change.Partition, change.Position), and it commits once.
//
// When fn fails, or what it asked for cannot commit, the batch is delivered
// again, with growing pauses, Redeliver times in all. Then its changes are
// delivered one by one, and one that still fails is parked and passed over:
// see Parked and Unpark. An error that says repeat (Code.Retryable) is nobody's
// fault and is repeated for as long as it lasts.
//
// Changes of Mainstem's own groups, which begin with "~", are not delivered. A
// cursor that the feed no longer reaches back to ends Follow as Trimmed; Seek
// moves it. A filter that is changed counts from the cursor on. Read a follower's
// state through FollowGroup.
func (db *DB) Follow(ctx context.Context, name string, match Match, fn FollowFunc, opts ...FollowOption) error {
	f, err := newFollower(db, name, match, fn, opts)
	if err != nil {
		return err
	}
	return f.run(WithFollower(ctx, name))
}

// FollowGroup is the group in which a follower's state for changes of the
// given source group lives, beside its cursor.
func FollowGroup(follower, source string) string {
	return shardGroup(follower, int(SlotOf(source))/slotsPerShard)
}

// Seek moves every cursor of a follower to what the token has seen. The zero
// Token makes it begin as if it had never run. An instance that works on a
// shard is fenced: the batch it has in hand commits nothing, and whoever takes
// the shard next, within a third of the hand-over time, begins at the token.
// Called again after an error, it goes on.
func (db *DB) Seek(ctx context.Context, follower string, to Token) error {
	if err := checkFollower(follower); err != nil {
		return err
	}
	for shard := range FollowShards {
		if err := db.seek(ctx, db.ownGroup(shardGroup(follower, shard)), to); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) seek(ctx context.Context, g Group, to Token) error {
	for {
		held, err := g.lease(ctx, shardLease)
		if err != nil {
			return err
		}
		_, err = g.Do(ctx, "", func(tx *Txn) error {
			if held.Token != 0 && !held.Released {
				tx.Operate(Release{Lease: shardLease, Token: held.Token})
			}
			if to.IsZero() {
				tx.Delete(cursorKey)
			} else {
				tx.Put(cursorKey, []byte(to.String()))
			}
			return nil
		})
		if CodeOf(err) != Fenced { // else it was released or granted meanwhile
			return err
		}
	}
}

const (
	slotsPerShard = Slots / FollowShards
	// Names of a shard's group. Others are the user's.
	cursorKey    = "~cursor"
	parkedPrefix = "~parked/"
	shardLease   = "~shard"
)

func followerGroup(follower string) string { return "~follow/" + follower }

func shardGroup(follower string, shard int) string {
	return fmt.Sprintf("%s/%02d", followerGroup(follower), shard)
}

func checkFollower(name string) error {
	switch {
	case len(name) > LimitFollower:
		return Errorf(TooLarge, "follower name of %d bytes; the limit is %d", len(name), LimitFollower)
	case strings.Contains(name, "/"):
		return Errorf(Invalid, "follower name %q contains /", name)
	}
	return CheckName("follower", name)
}

// follower is one instance of a follower at work.
type follower struct {
	db       *DB
	name     string
	instance string
	match    Match
	fn       FollowFunc
	hands    *hands // in place of fn, where batches are handed out
	settings followSettings
	shards   []int // those that match can have changes in

	running map[int]*shard
	ended   chan shardEnd
}

type shardEnd struct {
	shard int
	err   error
}

func newFollower(db *DB, name string, match Match, fn FollowFunc, opts []FollowOption) (*follower, error) {
	s := followSettings{batch: DefaultFollowBatch, redeliver: DefaultRedeliver, ttl: DefaultHandOver}
	for _, o := range opts {
		o.apply(&s)
	}
	err := first(checkFollower(name), match.Validate())
	switch {
	case err != nil:
		return nil, err
	case s.batch < 1 || s.batch > LimitOperations:
		return nil, Errorf(Invalid, "batches of %d changes; between 1 and %d are possible", s.batch, LimitOperations)
	case s.redeliver < 1:
		return nil, Errorf(Invalid, "delivering %d times means never; the least is 1", s.redeliver)
	case s.ttl < 100*time.Millisecond || s.ttl > LimitTTL:
		return nil, Errorf(Invalid, "hand-over after %s; the least is 100ms, the most %s", s.ttl, LimitTTL)
	}
	f := &follower{
		db: db, name: name, instance: instanceName(), match: match, fn: fn, settings: s,
		running: map[int]*shard{}, ended: make(chan shardEnd),
	}
	for i := range FollowShards {
		if _, ok := shardMatch(match, i); ok {
			f.shards = append(f.shards, i)
		}
	}
	return f, nil
}

// instanceName is unique, and says to an operator who it is.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%.64s.%d.%s", strings.ToValidUTF8(host, ""), os.Getpid(), rand.Text())
}

// run keeps working on this instance's share of the shards.
func (f *follower) run(ctx context.Context) error {
	work, stop := context.WithCancelCause(ctx)
	tick := time.NewTimer(0)
	defer tick.Stop()
	var failed error
	for failed == nil {
		select {
		case <-ctx.Done():
		case end := <-f.ended:
			delete(f.running, end.shard)
			if !passing(end.err) {
				failed = f.explain(end)
			}
		case <-tick.C:
			next := f.settings.ttl / 12
			share, err := f.share(work)
			if err == nil {
				next = f.adjust(work, share)
			} else if !passing(err) {
				failed = err
			}
			tick.Reset(next)
		}
		if ctx.Err() != nil { // whatever failed, failed because of it
			failed = context.Cause(ctx)
		}
	}
	stop(failed)
	for range len(f.running) {
		<-f.ended
	}
	f.leave(ctx)
	return failed
}

// passing reports whether a shard's end says nothing about the others: its
// lease went elsewhere, or whatever it was will pass.
func passing(err error) bool {
	code := CodeOf(err)
	return err == nil || code == Fenced || code.Retryable()
}

// explain says which shard ended the follower, and what to do about it.
func (f *follower) explain(end shardEnd) error {
	code := CodeOf(end.err)
	if code == 0 {
		return fmt.Errorf("follower %q, shard %d: %w", f.name, end.shard, end.err)
	}
	err := Errorf(code, "follower %q, shard %d: %w", f.name, end.shard, end.err)
	if code == Trimmed || code == HistoryLost {
		err.Advice = "what lies between is no longer in the feed: rebuild what the follower keeps, then move its cursors with DB.Seek"
	}
	return err
}
