package pg_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

// pair is a primary of the test's own, with a standby that may lag.
type pair struct {
	primary, standby *pgserver.Server
	readers          *pg.Readers
	replica          *pgxpool.Pool
}

func newPair(t *testing.T) *pair {
	t.Helper()
	running(t)
	t.Parallel() // the servers are its own, and most of such a test is waiting
	p := &pair{}
	var err error
	if p.primary, err = pgserver.Start(t.Context(), pgserver.Config{Settings: settings}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.primary.Close() })
	db := openOn(t, p.primary, nil)
	if p.standby, err = p.primary.Standby(t.Context(), "replica"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.standby.Close() })
	p.replica = poolOf(t, p.standby.DSN())
	p.readers = &pg.Readers{DB: db, Replicas: []*pgxpool.Pool{p.replica}}
	p.caughtUp(t)
	return p
}

func poolOf(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// isSynchronous has commits of the primary wait for the standby.
func (p *pair) isSynchronous(t *testing.T) {
	t.Helper()
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'replica'", "SELECT pg_reload_conf()"} {
		if _, err := p.readers.DB.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the standby is synchronous", func() bool {
		return number(t, p.readers.DB, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
	})
}

// stop stops the standby where it is.
func (p *pair) stop(t *testing.T) {
	t.Helper()
	if err := p.standby.Pause(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.standby.Resume() }) // a stopped process ends for nobody
}

func (p *pair) sql(statement string) string {
	return strings.ReplaceAll(statement, "$S", p.readers.DB.Schema)
}

// replays stops or starts the standby's replay, which receives all the same.
func (p *pair) replays(t *testing.T, on bool) {
	t.Helper()
	what := map[bool]string{true: "resume", false: "pause"}[on]
	if _, err := p.replica.Exec(t.Context(), "SELECT pg_wal_replay_"+what+"()"); err != nil {
		t.Fatal(err)
	}
	if !on {
		eventually(t, "replay is paused", func() bool {
			var state string
			err := p.replica.QueryRow(t.Context(), "SELECT pg_get_wal_replay_pause_state()").Scan(&state)
			return err == nil && state == "paused"
		})
	}
}

func (p *pair) caughtUp(t *testing.T) {
	t.Helper()
	// What a read has inserted alone is not sent until the next commit.
	at := number(t, p.readers.DB, "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint")
	eventually(t, "the standby has caught up", func() bool {
		var replayed int64
		err := p.replica.QueryRow(t.Context(), "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint FROM pg_stat_wal_receiver WHERE status = 'streaming'").Scan(&replayed)
		return err == nil && replayed >= at
	})
}

// cutOff has the standby receive no more.
func (p *pair) cutOff(t *testing.T) {
	t.Helper()
	for _, sql := range []string{"ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"} {
		if _, err := p.replica.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the standby receives no more", func() bool {
		var n int
		err := p.replica.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_wal_receiver").Scan(&n)
		return err == nil && n == 0
	})
}

func (p *pair) session(t *testing.T, token string) *pg.Session {
	t.Helper()
	s, err := p.readers.Session(token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *pair) write(t *testing.T, s *pg.Session, name string) {
	t.Helper()
	err := s.Write(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO "+p.readers.DB.Schema+".effect VALUES ($1::text)", name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read says how often the session sees an effect, and where it has read.
func (p *pair) read(s *pg.Session, ctx context.Context, name string) (n int, replica bool, err error) {
	err = s.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*), pg_is_in_recovery() FROM "+p.readers.DB.Schema+".effect WHERE name = $1::text", name).Scan(&n, &replica)
	})
	return n, replica, err
}

func (p *pair) sees(t *testing.T, s *pg.Session, name string, times int, onReplica bool) {
	t.Helper()
	n, replica, err := p.read(s, t.Context(), name)
	if err != nil || n != times || replica != onReplica {
		t.Errorf("effect %s is seen %d times, want %d; on a replica: %v, want %v; error %v", name, n, times, replica, onReplica, err)
	}
}

// watched is the primary on connections that hear the warnings of COMMIT.
func (p *pair) watched(t *testing.T) *pg.DB {
	t.Helper()
	config, err := pgxpool.ParseConfig(p.primary.DSN())
	if err != nil {
		t.Fatal(err)
	}
	pg.Watch(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &pg.DB{Pool: pool, Schema: p.readers.DB.Schema}
}
