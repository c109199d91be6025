package mainstem

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Subscription says what Deliver hands out, and to whom.
type Subscription struct {
	// Follower is whose cursor counts: the name that Follow is given.
	Follower string
	Match    Match
	// After is where a follower begins that has no cursor yet; zero means the oldest
	// change kept.
	After Token
	// Max is the most changes in one delivery; 0 means DefaultFollowBatch.
	Max int
	// HandOver is the TTL of a shard's lease, as the option of Follow; 0 means
	// DefaultHandOver.
	HandOver time.Duration
	// Patience is how long a shard may wait for the next acknowledgement while something is
	// handed out; 0 means DefaultPatience, the least is 100 ms.
	Patience time.Duration
}

// Validate reports what cannot be handed out, or to nobody.
func (s Subscription) Validate() error {
	_, err := newFollower(nil, s.Follower, s.Match, nil, s.options())
	if p := s.patience(); err == nil && (p < 100*time.Millisecond || p > LimitTTL) {
		err = Errorf(Invalid, "patience of %s; the least is 100ms, the most %s", p, LimitTTL)
	}
	return err
}

func (s Subscription) options() []FollowOption {
	opts := []FollowOption{StartAfter(s.After)}
	if s.Max != 0 {
		opts = append(opts, BatchOf(s.Max))
	}
	if s.HandOver != 0 {
		opts = append(opts, HandOver(s.HandOver))
	}
	return opts
}

func (s Subscription) patience() time.Duration {
	if s.Patience == 0 {
		return DefaultPatience
	}
	return s.Patience
}

// DefaultPatience is how long Deliver waits for an acknowledgement.
const DefaultPatience = time.Minute

// Delivery is a batch as Deliver hands it out.
type Delivery struct {
	Batch
	Acknowledgement Acknowledgement
}

// Acknowledgement says that a follower is done with a delivery and with all before it of the
// same shard.
type Acknowledgement struct {
	Follower string
	Shard    int
	// Fence is the fencing token of the turn in which it was handed out.
	Fence FencingToken
	// Token is what the follower has seen with the delivery.
	Token Token
}

// Validate reports an acknowledgement that cannot be.
func (a Acknowledgement) Validate() error {
	switch {
	case a.Shard < 0 || a.Shard >= FollowShards:
		return Errorf(Invalid, "shard %d; a follower has shards 0 to %d", a.Shard, FollowShards-1)
	case a.Fence == 0 || a.Token.IsZero():
		return Errorf(Invalid, "the acknowledgement of shard %d has no fence or no token; give back what came with the batch", a.Shard)
	}
	return checkFollower(a.Follower)
}

// Deliver is Follow for a reader that is done with a batch some time after it was handed
// out, and says so with Acknowledge, from wherever it is: one at the other end of a network.
// It works under the same leases, from the same cursors, with instances of either kind
// beside it. hand is called from several goroutines, one per shard, and does not wait for
// the acknowledgement; its ctx ends with Deliver. An error of hand ends Deliver.
//
// What was handed out and not acknowledged is handed out again by whoever has the shard
// next: at least once. Nothing is parked, which is for the reader to decide. A shard that
// waits for the next acknowledgement for longer than its patience ends Deliver as Fenced.
func (db *DB) Deliver(ctx context.Context, s Subscription, hand func(ctx context.Context, d Delivery) error) error {
	if err := s.Validate(); err != nil {
		return err
	}
	f, err := newFollower(db, s.Follower, s.Match, nil, s.options())
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(WithFollower(ctx, s.Follower))
	defer end(nil)
	f.hands = &hands{
		patience: s.patience(), end: end,
		out: func(d Delivery) error { return hand(ctx, d) },
	}
	return f.run(ctx)
}

// Acknowledge moves a follower's cursor over a delivery, forward only. An acknowledgement
// of a turn that is over, because another instance has the shard now, or none has, is Fenced
// and moves nothing: the delivery is handed out again. One of another history is HistoryLost.
// One that says nothing new changes nothing, so it can be repeated.
func (db *DB) Acknowledge(ctx context.Context, a Acknowledgement) error {
	if err := a.Validate(); err != nil {
		return err
	}
	ctx = WithFollower(ctx, a.Follower)
	// A cursor in another history would stop the follower until somebody seeks. Whatever else
	// is wrong with the database, such as a partition that is damaged, is no reason to refuse.
	if cut, err := db.Cut(ctx, AtLeast(a.Token)); CodeOf(err) == HistoryLost {
		return err
	} else if err == nil {
		_ = cut.Close() // it was for its opening
	}
	g := db.ownGroup(shardGroup(a.Follower, a.Shard))
	err := errCursorMoved
	for errors.Is(err, errCursorMoved) {
		err = g.acknowledge(ctx, a)
	}
	return err
}

func (g Group) acknowledge(ctx context.Context, a Acknowledgement) error {
	text, cursor, err := g.cursor(ctx)
	if err != nil {
		return err
	}
	to := cursor.Merge(a.Token)
	if to == cursor {
		return nil
	}
	_, err = g.Do(ctx, "", func(tx *Txn) error {
		tx.Require(LeaseHeld{Lease: shardLease, Token: a.Fence})
		tx.Require(cursorIs(text))
		tx.Put(cursorKey, []byte(to.String()))
		return nil
	})
	var failed *Error
	switch {
	case !errors.As(err, &failed):
	case failed.Condition == 1 && failed.Code == Fenced:
		err := Errorf(Fenced, "shard %d of follower %q is no longer handed out in this turn: %s", a.Shard, a.Follower, failed.Message)
		err.Advice = "forget the batch: whoever follows now is handed it again"
		return err
	case failed.Condition == 2:
		return errCursorMoved
	}
	return err
}

// cursor reads where a shard is, as text and parsed.
func (g Group) cursor(ctx context.Context) (text string, cursor Token, err error) {
	v, err := g.Get(ctx, cursorKey, Latest())
	if err != nil || !v.Exists {
		return "", Token{}, err
	}
	text = string(v.Value.Bytes)
	if cursor, err = ParseToken(text); err != nil {
		return "", Token{}, Errorf(Corrupt, "cursor of group %s: %w", quoteShort(g.name), err)
	}
	return text, cursor, nil
}

// cursorIs holds where nobody has moved the cursor.
func cursorIs(text string) Condition {
	if text == "" {
		return KeyAbsent{Name: cursorKey}
	}
	return KeyEquals{Name: cursorKey, Value: Bytes([]byte(text))}
}

// hands are where a follower's batches go that hands them out.
type hands struct {
	out      func(d Delivery) error
	patience time.Duration
	end      context.CancelCauseFunc // of the follower
}

// handed is what a shard has handed out and knows no acknowledgement of.
type handed struct {
	mu     sync.Mutex
	upTo   Token     // zero while nothing is
	cursor string    // as it was last seen
	since  time.Time // of the first one, or of the newest progress
}

// handOut hands a batch out. What it says ends the follower, which ends this shard.
func (s *shard) handOut(b Batch) error {
	s.handed.mu.Lock()
	if s.handed.upTo.IsZero() {
		s.handed.since = time.Now()
	}
	s.handed.upTo = b.Token
	s.handed.mu.Unlock()
	err := s.of.hands.out(Delivery{b, Acknowledgement{Follower: s.of.name, Shard: s.number, Fence: s.token, Token: b.Token}})
	if err != nil {
		s.of.hands.end(err)
	}
	return err
}

// looked notes where the cursor is, and says for how long something has waited to be
// acknowledged without any progress; none if nothing waits.
func (h *handed) looked(text string, cursor Token) (waits bool, since time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cursor.Merge(h.upTo) == cursor {
		h.upTo = Token{}
	}
	if h.cursor != text {
		h.cursor, h.since = text, time.Now()
	}
	return !h.upTo.IsZero(), time.Since(h.since)
}

// waits reports whether something is handed out.
func (h *handed) waits() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.upTo.IsZero()
}

// watch ends the follower when it waits for an acknowledgement for too long: also while
// a batch cannot be handed out because its reader reads no more.
func (s *shard) watch(ctx context.Context) {
	for sleep(ctx, s.of.hands.patience/4) {
		if !s.handed.waits() {
			continue
		}
		text, cursor, err := s.group.cursor(ctx)
		if err != nil {
			continue // the lease is not renewed either, where that lasts
		}
		if waits, since := s.handed.looked(text, cursor); waits && since >= s.of.hands.patience {
			err := Errorf(Fenced, "follower %q, shard %d: no acknowledgement for %s of what was handed out", s.of.name, s.number, since.Round(time.Millisecond))
			err.Advice = "acknowledge each batch once it is done with; where one takes longer, ask for smaller ones or more patience"
			s.of.hands.end(err)
			return
		}
	}
}
