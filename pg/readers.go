package pg

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
)

// Readers sends reads to streaming replicas, each to one that has replayed what
// its session has seen. It is not changed once used, and may be used from many
// goroutines.
//
// A replica is asked within the transaction that reads, so that a proxy before
// several is no harm. It must let its role see whether it streams, which takes
// the right pg_read_all_stats there; otherwise nobody can tell whether it follows
// another timeline, and reads with a token pass it over.
type Readers struct {
	DB *DB // the primary
	// Replicas are pools of connections to hot standbys. Without any, every read
	// is at the primary.
	Replicas []*pgxpool.Pool
	// Wait is how long a read waits for a replica to replay what it needs before it
	// goes to the primary, at most MaxWait. 0 means not at all.
	Wait time.Duration
	// PrimaryFor is how long a session of Recent reads at the primary after a write.
	PrimaryFor time.Duration
	// Logger gets what is wrong with a replica; nil means slog.Default.
	Logger *slog.Logger

	next   atomic.Uint64
	recent recent
	mu     sync.Mutex
	down   map[way]time.Time // until when it is not taken
}

// way is how a read comes to a replica: one that is no way for reads with a token
// can be one for others.
type way struct {
	pool  *pgxpool.Pool
	token bool
}

// replicaPatience bounds how long one replica may take to begin a transaction,
// and how long it is passed over after it failed.
const replicaPatience = time.Second

func (r *Readers) check() error {
	switch {
	case r.DB == nil:
		return mainstem.Errorf(mainstem.Invalid, "these pg.Readers have no DB")
	case r.Wait < 0 || r.Wait > MaxWait:
		return mainstem.Errorf(mainstem.Invalid, "readers that wait %s for a replica; between 0 and %s is possible", r.Wait, MaxWait)
	}
	return r.DB.check()
}

// read runs fn where want has been replayed, and returns what a session that had
// seen want is to go on with.
func (r *Readers) read(ctx context.Context, want seen, primary bool, fn func(ctx context.Context, tx pgx.Tx) error) (seen, error) {
	if !primary && len(r.Replicas) > 0 {
		if served, err := r.replicas(ctx, want, fn); served {
			return want, err
		}
	}
	return r.primary(ctx, want, fn)
}

// replicas tries one replica after the other, beginning with another each time,
// until one has served the read, none is only behind, or the wait is over.
func (r *Readers) replicas(ctx context.Context, want seen, fn func(ctx context.Context, tx pgx.Tx) error) (served bool, err error) {
	began, pause := time.Now(), time.Millisecond
	first, deadline, outcome := r.next.Add(1), began.Add(r.Wait), readReplica
	defer func() {
		if outcome == readWaited {
			r.DB.Metrics.waited(began)
		}
	}()
	for {
		behind := false
		for i := range r.Replicas {
			pool := r.Replicas[(first+uint64(i))%uint64(len(r.Replicas))]
			if r.isDown(way{pool, want != (seen{})}) {
				continue
			}
			err := r.replica(ctx, pool, want, fn)
			switch {
			case errors.Is(err, errBehind):
				behind = true
			case errors.Is(err, errUnfit):
				r.DB.Metrics.passed(replicaUnfit)
				r.passOver(err, way{pool, true})
			case errors.Is(err, errBroken):
				r.DB.Metrics.passed(replicaBroken)
				r.passOver(err, way{pool, true}, way{pool, false})
			default:
				r.DB.Metrics.read(outcome)
				return true, err
			}
			if ctx.Err() != nil {
				r.DB.Metrics.read(readFailed)
				return true, fault(ctx.Err(), "reading")
			}
		}
		if !behind || time.Now().Add(pause).After(deadline) || !sleep(ctx, pause) {
			return false, nil
		}
		outcome = readWaited
		pause = min(2*pause, 10*time.Millisecond)
	}
}

// Why a replica has not served a read.
var (
	errBehind = errors.New("it has not replayed that yet")
	errUnfit  = errors.New("it cannot be shown to have that")
	errBroken = errors.New("it does not answer")
)

// replica reads on one replica.
func (r *Readers) replica(ctx context.Context, pool *pgxpool.Pool, want seen, fn func(ctx context.Context, tx pgx.Tx) error) error {
	var here seen
	asking, cancel := context.WithTimeout(ctx, replicaPatience)
	defer cancel()
	t, err := begin(asking, pool, "reading on a replica", readOnly, func(b *pgx.Batch) {
		if want != (seen{}) {
			b.Queue(r.DB.sql(seenSQL)).QueryRow(here.scan)
		}
	})
	if err != nil {
		return errors.Join(errBroken, err)
	}
	defer t.end(ctx)
	switch {
	case want == (seen{}):
	case here.standby && here.timeline == 0:
		return errors.Join(errUnfit, errors.New("it does not stream, or its role lacks pg_read_all_stats"))
	case !here.of(want):
		return errors.Join(errUnfit, errors.New("it is at "+here.place()+", and the session at "+want.place()))
	case here.lsn < want.lsn:
		return errBehind
	}
	if err := fn(ctx, t); err != nil {
		if again, _ := t.judged(err); again != nil {
			return errors.Join(errBroken, again)
		}
		return err
	}
	return nil
}

var readOnly = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadOnly}

func (r *Readers) isDown(w way) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.down[w])
}

func (r *Readers) passOver(err error, ways ...way) {
	logger := r.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Warn("a replica is passed over for a while", "host", ways[0].pool.Config().ConnConfig.Host, "for", replicaPatience, "err", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down == nil {
		r.down = map[way]time.Time{}
	}
	for _, w := range ways {
		r.down[w] = time.Now().Add(replicaPatience)
	}
}

// primary reads at the primary, if it can be shown to have what is wanted.
func (r *Readers) primary(ctx context.Context, want seen, fn func(ctx context.Context, tx pgx.Tx) error) (seen, error) {
	for {
		var here seen
		t, err := begin(ctx, r.DB.Pool, "reading at the primary", readOnly, func(b *pgx.Batch) {
			if want != (seen{}) {
				b.Queue(r.DB.sql(seenSQL)).QueryRow(here.scan)
			}
		})
		if err != nil {
			r.DB.Metrics.read(readFailed)
			return want, err
		}
		if want == (seen{}) || here.of(want) && !here.standby && (want.lsn == unplaced || want.lsn <= here.lsn) {
			if want.lsn == unplaced {
				want = seen{system: here.system, timeline: here.timeline, lsn: here.lsn}
			}
			r.DB.Metrics.read(readPrimary)
			defer t.end(ctx)
			return want, fn(ctx, t)
		}
		t.end(ctx) // all who read after a failover come by here: none has one connection and waits for another
		if want, err = r.has(ctx, r.DB.Pool, here, want); err != nil {
			r.DB.Metrics.read(unread(err))
			return want, err
		}
	}
}

// has shows that the primary has what a session has seen, and says where that is
// in its present life.
func (r *Readers) has(ctx context.Context, tx Tx, here, want seen) (seen, error) {
	lost := func(why string) (seen, error) {
		return want, mainstem.Errorf(mainstem.HistoryLost, "the session has seen %s, and the primary is at %s: %s", want.place(), here.place(), why)
	}
	switch {
	case here.standby:
		return want, mainstem.Errorf(mainstem.Unavailable, "reading at the primary: this server is a standby")
	case here.system != want.system:
		return lost("it is another server")
	case here.timeline <= want.timeline:
		return lost("it lacks the end of that")
	}
	var known, begins int64
	err := tx.QueryRow(ctx, r.DB.sql("SELECT known, begins FROM $S.parted($1::bigint, $2::bigint)"),
		int64(want.timeline), int64(here.timeline)).Scan(&known, &begins)
	switch {
	case err != nil:
		return want, fault(err, "timelines cannot be read")
	case known != int64(here.timeline-want.timeline):
		return lost("nobody has noted where its timeline begins, so it cannot be shown to have that")
	case want.lsn > math.MaxInt64, int64(want.lsn) > begins:
		return lost("a failover lost the end of the timeline before")
	}
	return seen{system: here.system, timeline: here.timeline, lsn: want.lsn}, nil
}
