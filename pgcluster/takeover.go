package pgcluster

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/pg"
)

// Takeover is a schema of package pg whose events go to a log.
type Takeover struct {
	From string // pg's schema; empty means pg.DefaultSchema
	To   string // the log's schema; empty means postgres.DefaultSchema
	// Group is the group whose streams the events are from then on; empty means
	// DefaultGroup. It is one, so that its changes have one order, as before.
	Group string
	// LockTimeout is how long to wait for transactions that have appended and not
	// committed, for each table; 0 means DefaultLockTimeout.
	LockTimeout time.Duration
}

// Defaults of a Takeover.
const (
	DefaultGroup       = "pg"
	DefaultLockTimeout = 10 * time.Second
	MaxLockTimeout     = time.Hour
)

// Report says what a takeover has done, or would.
type Report struct {
	From      string            `json:"from"`
	To        string            `json:"to"`
	Group     string            `json:"group,omitempty"`
	After     mainstem.Position `json:"after"` // what consumers had taken; reads below are trimmed
	Last      mainstem.Position `json:"last"`  // the newest position that package pg gave
	Consumers int               `json:"consumers"`
	Streams   int               `json:"streams"` // of AppendVersioned
	Records   uint64            `json:"records"`
	// Before says that this had been done before, at that time.
	Before *time.Time `json:"before,omitempty"`
}

// TakeOver makes an empty log of one partition go on from what package pg has
// staged, in one transaction of conn's, whose role owns both schemas. Killed at any
// moment it has done all of it or nothing; done again it reports what was done.
//
// Every event that some consumer has not taken is one transaction of the group, under
// the position that package pg gave or would have given it, with its type, its
// metadata, and the time at which it was staged as the reply; its ID is pg/SCHEMA/POSITION.
// Positions up to After stay package pg's own: here they are Trimmed (L1). Each
// consumer becomes the follower of its name, and goes on where it was, by DB.Follow. Streams with versions keep them.
//
// Meanwhile callers of pg.Append wait. Afterwards they, relays and consumers are
// Stopped, by an error that names the log; requests (pg.Once), leases and fences of
// package pg go on as before. A batch that a consumer has in hand at that moment is
// given again by the log, under the same positions: stop consumers first where that
// matters.
func TakeOver(ctx context.Context, conn *pgx.Conn, t Takeover) (*Report, error) {
	return t.run(ctx, conn, t.within, true)
}

// Rehearse does all that TakeOver does, and then rolls it back.
func Rehearse(ctx context.Context, conn *pgx.Conn, t Takeover) (*Report, error) {
	return t.run(ctx, conn, t.within, false)
}

// Check looks whether a takeover would be refused, without a lock and without change.
// The report counts no event that has no position yet.
func Check(ctx context.Context, conn *pgx.Conn, t Takeover) (*Report, error) {
	return t.run(ctx, conn, t.look, false)
}

func (t *Takeover) run(ctx context.Context, conn *pgx.Conn, do func(context.Context, pgx.Tx) (*Report, error), commit bool) (*Report, error) {
	t.defaults()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return nil, mainstem.Errorf(mainstem.Unavailable, "the takeover cannot begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // of what was not committed
	r, err := do(ctx, tx)
	if err != nil || !commit || r.Before != nil {
		return r, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, mainstem.Errorf(mainstem.Undecided, "COMMIT of the takeover was sent: %w", err)
	}
	return r, nil
}

func (t *Takeover) defaults() {
	if t.From == "" {
		t.From = pg.DefaultSchema
	}
	if t.To == "" {
		t.To = postgres.DefaultSchema
	}
	if t.Group == "" {
		t.Group = DefaultGroup
	}
	if t.LockTimeout == 0 {
		t.LockTimeout = DefaultLockTimeout
	}
}

func (t *Takeover) check() error {
	if err := mainstem.CheckGroup(t.Group); err != nil {
		return err
	}
	if strings.HasPrefix(t.Group, "~") {
		return mainstem.Errorf(mainstem.Invalid, "group %q begins with ~, which marks Mainstem's own groups", t.Group)
	}
	if t.LockTimeout < time.Millisecond || t.LockTimeout > MaxLockTimeout {
		return mainstem.Errorf(mainstem.Invalid, "a takeover that waits %s for locks; between 1ms and %s is possible", t.LockTimeout, MaxLockTimeout)
	}
	return nil
}

// begin looks at both schemas. A report says that it was done before.
func (t *Takeover) begin(ctx context.Context, tx pgx.Tx) (*postgres.Within, *Report, error) {
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	log, err := postgres.NewWithin(ctx, tx, t.To)
	if err != nil {
		return nil, nil, err
	}
	taken, err := pg.TakenBy(ctx, tx, t.From)
	if err != nil {
		return nil, nil, err
	}
	if taken != nil {
		r, err := t.before(taken)
		return nil, r, err
	}
	if log.Partitions != 1 {
		return nil, nil, mainstem.Errorf(mainstem.Invalid, "log %s has %d partitions; positions of package pg are those of one: make a log of one", t.To, log.Partitions)
	}
	return log, nil, nil
}

func (t *Takeover) empty(records uint64) error {
	if records > 0 {
		return mainstem.Errorf(mainstem.Invalid, "log %s has %d records; only an empty one can go on from package pg: start no node on it before", t.To, records)
	}
	return nil
}

func (t *Takeover) look(ctx context.Context, tx pgx.Tx) (*Report, error) {
	log, r, err := t.begin(ctx, tx)
	if err != nil || r != nil {
		return r, err
	}
	tail, err := log.Tail(ctx, 0)
	if err == nil {
		err = t.empty(tail)
	}
	if err != nil {
		return nil, err
	}
	h, err := pg.Survey(ctx, tx, t.From)
	if err != nil {
		return nil, err
	}
	for _, consumer := range h.Consumers {
		if _, err := t.follower(consumer.Name, mainstem.Token{}); err != nil {
			return nil, err
		}
	}
	return t.report(h), nil
}

func (t *Takeover) within(ctx context.Context, tx pgx.Tx) (*Report, error) {
	log, r, err := t.begin(ctx, tx)
	if err != nil || r != nil {
		return r, err
	}
	// The log first, as all who append to it: then the tables, whose owners wait.
	tail, _, err := log.Lock(ctx, 0, 1)
	if err == nil {
		err = t.empty(tail.Index)
	}
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", strconv.FormatInt(t.LockTimeout.Milliseconds(), 10)+"ms"); err != nil {
		return nil, mainstem.Errorf(mainstem.Unavailable, "lock_timeout cannot be set: %w", err)
	}
	h, err := pg.HandOver(ctx, tx, t.From)
	if err != nil {
		return nil, err
	}
	c := newChain(log, h.After)
	if err := t.write(ctx, c, h); err != nil {
		return nil, err
	}
	if err := h.Close(ctx, t.To); err != nil {
		return nil, err
	}
	r = t.report(h)
	r.Records = c.head.Index
	return r, nil
}

func (t *Takeover) report(h *pg.Handover) *Report {
	return &Report{From: t.From, To: t.To, Group: t.Group, After: h.After, Last: h.Last, Consumers: len(h.Consumers), Streams: len(h.Streams)}
}

func (t *Takeover) before(taken *pg.Taken) (*Report, error) {
	if taken.Log != t.To {
		return nil, mainstem.Errorf(mainstem.Exists, "the events of schema %s went to log %s at %s", t.From, taken.Log, taken.At.UTC().Format(time.RFC3339))
	}
	return &Report{From: t.From, To: t.To, After: taken.After, Last: taken.Last, Consumers: taken.Consumers, Before: &taken.At}, nil
}

// write makes records of what is handed over: first the events, whose positions are
// given, then what says how far streams and consumers are.
func (t *Takeover) write(ctx context.Context, c *chain, h *pg.Handover) error {
	for _, consumer := range h.Consumers {
		c.mark(consumer.Position)
	}
	lengths := map[string]uint64{}
	for at := h.After; at < h.Last; {
		events, err := h.Events(ctx, at)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return mainstem.Errorf(mainstem.Corrupt, "schema %s has no event after position %d, and gave positions up to %d (L12)", t.From, at, h.Last)
		}
		for i := range events {
			if at++; events[i].Position != at {
				return mainstem.Errorf(mainstem.Corrupt, "position %d of schema %s follows %d (L12)", events[i].Position, t.From, at-1)
			}
			if err := c.add(ctx, t.event(&events[i], lengths)); err != nil {
				return err
			}
		}
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	states := t.versions(h.Streams, lengths)
	for _, consumer := range h.Consumers {
		cursors, err := t.follower(consumer.Name, mainstem.NewToken(c.marks[consumer.Position]))
		if err != nil {
			return err
		}
		states = append(states, cursors...)
	}
	for _, state := range states {
		if err := c.add(ctx, state); err != nil {
			return err
		}
	}
	return c.flush(ctx)
}
