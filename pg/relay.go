package pg

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Relay gives committed events their positions, and hands them on. Start one on
// every pod: Run numbers on one of them at a time, Consume runs each consumer on
// one of them at a time, and another takes over when that one stops. What a
// paused one still does is refused by its token, in the database, and nobody waits
// for it longer than for its TTL: what locks the place of the relay is one message,
// COMMIT included. A consumer's transaction of several messages that is left without
// a statement for six TTLs is ended by the server.
//
// Events keep the order in which they were inserted, except that a transaction's
// become visible only when it commits: it holds nobody up. So causes come before
// effects, and events of one transaction in their order; events of transactions
// that did not see each other come in either order, also within one stream. Where
// that matters, use AppendVersioned.
type Relay struct {
	DB *DB
	// Listen is how to connect to the server itself, for LISTEN: then the relay
	// sleeps while there is nothing, and is woken by a commit. Behind a pooler
	// set it to the server's own address, or leave it nil: then the relay asks every
	// Poll. One that leads through a pooler is Invalid.
	Listen *pgx.ConnConfig
	// Poll is how often to ask for new events; 0 means DefaultPoll.
	Poll time.Duration
	// TTL is how long others wait before they take over from a relay or a consumer
	// that died; 0 means DefaultTTL.
	TTL time.Duration
	// Logger gets what is not returned; nil means slog.Default.
	Logger *slog.Logger

	news news
}

// What a Relay uses unless told otherwise.
const (
	DefaultPoll = 10 * time.Millisecond
	DefaultTTL  = 10 * time.Second
)

// Timing of the numbering.
const (
	drowsy     = 200 * time.Millisecond // without events, until it tries to sleep
	sleepMost  = 5 * time.Second        // at once; nothing depends on being woken
	sweepEvery = 30 * time.Second
)

const relayLease = "~relay"

func (r *Relay) poll() time.Duration {
	if r.Poll == 0 {
		return DefaultPoll
	}
	return r.Poll
}

func (r *Relay) ttl() time.Duration {
	if r.TTL == 0 {
		return DefaultTTL
	}
	return r.TTL
}

func (r *Relay) logger() *slog.Logger {
	if r.Logger == nil {
		return slog.Default()
	}
	return r.Logger
}

func (r *Relay) check() error {
	switch {
	case r.DB == nil:
		return mainstem.Errorf(mainstem.Invalid, "this pg.Relay has no DB")
	case r.poll() < time.Millisecond || r.poll() > time.Minute:
		return mainstem.Errorf(mainstem.Invalid, "a relay that polls every %s; between 1ms and 1m is possible", r.poll())
	case r.ttl() < MinTTL || r.ttl() > MaxTTL:
		return mainstem.Errorf(mainstem.Invalid, "a relay with a TTL of %s; between %s and %s is possible", r.ttl(), MinTTL, MaxTTL)
	}
	return r.DB.check()
}

// Run numbers events, empties tables whose events were all delivered, and deletes
// old request keys, for as long as no other relay of this schema does. It returns
// when ctx ends, with nil, and before that only if it cannot work at all.
func (r *Relay) Run(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := r.direct(ctx); err != nil {
		return err
	}
	return r.hold(ctx, relayLease, r.number)
}

// hold runs fn under a lease, again and again, until ctx ends or fn says that
// repeating cannot help.
func (r *Relay) hold(ctx context.Context, lease string, fn func(ctx context.Context, token mainstem.FencingToken) error) error {
	for ctx.Err() == nil {
		err := r.DB.Hold(ctx, lease, r.ttl(), func(ctx context.Context, token mainstem.FencingToken) error {
			if err := checkLayout(ctx, r.DB.Pool, r.DB.schema()); err != nil {
				return err
			}
			return fn(ctx, token)
		})
		switch code := mainstem.CodeOf(err); {
		case ctx.Err() != nil:
			return nil
		case err == nil, code == mainstem.Invalid, code == mainstem.Denied, code == mainstem.Stopped, code == mainstem.Corrupt, code == mainstem.Trimmed, code == mainstem.HistoryLost:
			return err
		default:
			r.DB.Metrics.refused(lease, err)
			r.logger().WarnContext(ctx, "a relay begins anew", "lease", lease, "err", err)
		}
		if !sleep(ctx, r.ttl()/10) {
			return nil
		}
	}
	return nil
}

// number drains until ctx ends.
func (r *Relay) number(ctx context.Context, token mainstem.FencingToken) error {
	beside, stop := context.WithCancel(ctx)
	var forgetting sync.WaitGroup
	forgetting.Go(func() { r.forget(beside) })
	defer forgetting.Wait()
	defer stop()
	s := sleeper{relay: r}
	defer s.close()
	swept, active := time.Time{}, time.Now()
	clock := relayClock{r.DB.Metrics, active}
	for {
		clock.spent(relayAwake)
		if time.Since(swept) >= sweepEvery {
			if err := r.empty(ctx, token); err != nil {
				return err
			}
			swept = time.Now()
		}
		began, pause := time.Now(), r.poll()
		n, err := r.drain(ctx, token)
		if err != nil {
			return err
		}
		switch {
		case n > 0:
			active = time.Now()
			r.news.tell()
			// Where there was something, more is on its way: it rests no longer than
			// it worked, and so is never more than half the time at it.
			pause = min(pause, active.Sub(began))
		case time.Since(active) > drowsy && s.asleep(ctx):
			// What was committed before it slept has not woken it.
			if n, err = r.drain(ctx, token); err != nil {
				return err
			}
			if n > 0 {
				r.news.tell()
			} else {
				clock.spent(relayAwake)
				s.wait(ctx)
				clock.spent(relayAsleep)
			}
			s.awake(ctx)
			active = time.Now()
			continue
		}
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}

// drain numbers what is there, and returns how many.
func (r *Relay) drain(ctx context.Context, token mainstem.FencingToken) (n int64, err error) {
	var pending bool
	if err := r.DB.Pool.QueryRow(ctx, r.DB.sql("SELECT $S.pending()")).Scan(&pending); err != nil {
		return 0, fault(err, "the relay cannot look for events")
	}
	if !pending {
		return 0, nil
	}
	began, last := time.Now(), mainstem.Position(0)
	err = r.DB.atOnce(ctx, "numbering events", func(b *pgx.Batch) {
		b.Queue(r.DB.sql("SELECT last, numbered FROM $S.drain($1::bigint)"), int64(token)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&last, &n) })
	})
	if err == nil && n > 0 {
		r.DB.Metrics.drained(ctx, began, last, n)
	}
	return n, err
}

// cleanFor is how long a relay deletes keys at a time.
const cleanFor = time.Second

// forget deletes old keys now and then, beside the numbering of events, which would
// otherwise wait for it.
func (r *Relay) forget(ctx context.Context) {
	for {
		if _, err := r.DB.clean(ctx, cleanFor); err != nil && ctx.Err() == nil {
			r.logger().WarnContext(ctx, "old request keys stay", "err", err)
		}
		if !sleep(ctx, sweepEvery) {
			return
		}
	}
}

// empty empties the tables whose events were all delivered.
func (r *Relay) empty(ctx context.Context, token mainstem.FencingToken) error {
	var swept int
	err := r.DB.atOnce(ctx, "emptying tables", func(b *pgx.Batch) {
		b.Queue(r.DB.sql("SELECT $S.sweep($1::bigint)"), int64(token)).QueryRow(func(row pgx.Row) error { return row.Scan(&swept) })
	})
	if err != nil {
		return err
	}
	r.DB.Metrics.swept(swept)
	return nil
}

// sleeper sleeps on a session of its own: see doze in relay.sql.
type sleeper struct {
	relay *Relay
	conn  *pgx.Conn
	retry time.Time
}

// asleep reports whether the relay may sleep: no open transaction counts on its
// being awake, and later ones will wake it.
func (s *sleeper) asleep(ctx context.Context) (ok bool) {
	r := s.relay
	if r.Listen == nil || time.Now().Before(s.retry) {
		return false
	}
	var err error
	if s.conn == nil {
		if s.conn, err = listen(ctx, r, "staged"); err != nil {
			s.failed(ctx, err)
			return false
		}
	}
	if err := s.conn.QueryRow(ctx, r.DB.sql("SELECT pg_try_advisory_lock($S.doze())")).Scan(&ok); err != nil {
		s.failed(ctx, err)
		return false
	}
	return ok
}

// wait sleeps until somebody appends.
func (s *sleeper) wait(ctx context.Context) {
	nap, cancel := context.WithTimeout(ctx, sleepMost)
	defer cancel()
	if _, err := s.conn.WaitForNotification(nap); err != nil && nap.Err() == nil {
		s.failed(ctx, err)
	}
}

func (s *sleeper) awake(ctx context.Context) {
	if s.conn == nil {
		return
	}
	if _, err := s.conn.Exec(ctx, s.relay.DB.sql("SELECT pg_advisory_unlock($S.doze())")); err != nil {
		s.failed(ctx, err)
	}
}

// failed gives the session up, and with it the lock; until the next one the
// relay polls.
func (s *sleeper) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.relay.logger().WarnContext(ctx, "a relay without a session polls", "err", err)
	}
	s.close()
	s.retry = time.Now().Add(time.Second)
}

func (s *sleeper) close() {
	if s.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.conn.Close(ctx) // it is given up either way
		s.conn = nil
	}
}

// listen opens a session that hears a channel of the schema.
func listen(ctx context.Context, r *Relay, channel string) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, r.Listen.Copy())
	if err != nil {
		return nil, err
	}
	if err := checkDirect(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+quote(r.DB.schema()+"_"+channel)); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}
