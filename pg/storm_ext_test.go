package pg_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/pg"
)

// through is the same schema, reached through a proxy.
func through(t *testing.T, db *pg.DB, p *proxy.Proxy) *pg.DB {
	t.Helper()
	dsn, err := pgserver.DSN(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &pg.DB{Pool: pool, Schema: db.Schema}
}

func proxied(t *testing.T, s *pgserver.Server) *proxy.Proxy {
	t.Helper()
	p, err := proxy.To(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// commitMessage is what pgx sends for COMMIT: a Bind, without a portal's name, of
// the statement that it has prepared for that text.
var commitMessage = func() string {
	digest := sha256.Sum256([]byte("COMMIT"))
	return "\x00stmtcache_" + hex.EncodeToString(digest[:24]) + "\x00"
}()

// TestCommitWithoutAnswer: COMMIT is sent and the connection breaks, before the
// server had it or after. The key tells which, and the request has run once.
func TestCommitWithoutAnswer(t *testing.T) {
	for how, wantRuns := range map[proxy.Loss]int{proxy.LoseIt: 2, proxy.LoseAnswer: 1} {
		db := open(t)
		p := proxied(t, running(t))
		remote := through(t, db, p)
		p.LoseOnce(commitMessage, how)
		runs := 0
		reply, err := remote.Run(t.Context(), pg.Request{Key: "k", Wait: time.Second}, func(_ context.Context, tx pgx.Tx) ([]byte, error) {
			runs++
			effect(t, db, tx, "k")
			return []byte("reply"), nil
		})
		wantCode(t, err, 0)
		if runs != wantRuns || reply.Replayed != (wantRuns == 1) || string(reply.Body) != "reply" || effects(t, db, "k") != 1 {
			t.Errorf("loss %d: ran %d times, reply %+v, %d effects", how, runs, reply, effects(t, db, "k"))
		}
		// Without the answer, and without time to find out, it is Undecided.
		ctx, cancel := context.WithCancel(t.Context())
		p.Lose(func(sent []byte) proxy.Loss {
			if !bytes.Contains(sent, []byte(commitMessage)) {
				return proxy.Keep
			}
			cancel()
			return how
		})
		_, err = remote.Run(ctx, pg.Request{Key: "k2"}, func(context.Context, pgx.Tx) ([]byte, error) { return nil, nil })
		cancel()
		p.Lose(nil)
		wantCode(t, err, mainstem.Undecided)
	}
}

// storm is a server, the way to it, and those who use it.
type storm struct {
	t      *testing.T
	rng    *rand.Rand
	server *pgserver.Server
	db     *pg.DB // direct
	proxy  *proxy.Proxy
}

// TestStorm: requests are repeated by many, while connections break at random
// messages, sessions are ended by the server, and the server is killed and
// stopped. Each request has run once, all its repetitions have the same reply,
// its event was delivered, under one position, and positions are dense.
func TestStorm(t *testing.T) {
	running(t) // or it is not run
	sim.Rounds(t, 2, func(t *testing.T, seed uint64) {
		own := another(t, func(ctx context.Context) (*pgserver.Server, error) {
			return pgserver.Start(ctx, pgserver.Config{Settings: settings})
		})
		w := &storm{t: t, rng: sim.Rand(seed), server: own, db: openOn(t, own, nil), proxy: proxied(t, own)}
		w.run()
	})
}

func (w *storm) run() {
	t := w.t
	const requests, callers = 120, 6
	remote := through(t, w.db, w.proxy)
	delivered := map[string]mainstem.Position{}
	var mu sync.Mutex
	r := &pg.Relay{DB: remote, TTL: time.Second, Poll: 2 * time.Millisecond, Listen: remote.Pool.Config().ConnConfig}
	for range 2 { // two pods
		background(t, "relay", r.Run)
		background(t, "consumer", func(ctx context.Context) error {
			return r.Consume(ctx, pg.Consumer{Name: "c", Max: 7, Deliver: func(_ context.Context, events []pg.Event) error {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range events {
					if at, ok := delivered[e.Stream]; ok && at != e.Position {
						t.Errorf("%s was delivered at %d and at %d", e.Stream, at, e.Position)
					}
					delivered[e.Stream] = e.Position
				}
				return nil
			}})
		})
	}
	rng := rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	stop := background(t, "nemesis", func(ctx context.Context) error { return w.nemesis(ctx, rng) })
	var wg sync.WaitGroup
	replies := make([]map[string]bool, requests)
	for i := range replies {
		replies[i] = map[string]bool{}
	}
	for caller := range callers {
		order := w.rng.Perm(requests)
		wg.Go(func() {
			for _, i := range order {
				if i%callers == caller {
					continue // not everybody asks for everything
				}
				reply := w.insist(remote, fmt.Sprint(i), caller)
				mu.Lock()
				replies[i][reply] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stop()
	w.proxy.Lose(nil)
	w.db.Pool.Reset()
	for i, got := range replies {
		if n := effects(t, w.db, fmt.Sprint(i)); n != 1 || len(got) != 1 {
			t.Errorf("request %d had %d effects and %d different replies", i, n, len(got))
		}
	}
	numbered(t, w.db, requests)
	eventually(t, "all events are delivered", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(delivered) == requests
	})
}

// insist repeats a request until it is answered.
func (w *storm) insist(db *pg.DB, key string, caller int) string {
	for {
		reply, err := db.Run(w.t.Context(), pg.Request{Key: key, Wait: 100 * time.Millisecond}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			if _, err := tx.Exec(ctx, "INSERT INTO "+w.db.Schema+".effect VALUES ($1::text)", key); err != nil {
				return nil, err
			}
			return fmt.Appendf(nil, "by %d", caller), pg.Append(ctx, pg.In(w.db.Schema, tx), key, mainstem.Event{Type: "done"})
		})
		if err == nil {
			return string(reply.Body)
		}
		if w.t.Failed() || w.t.Context().Err() != nil {
			return err.Error()
		}
		switch code := mainstem.CodeOf(err); {
		case code.Retryable(), code == mainstem.RetryTransaction, strings.Contains(err.Error(), "INSERT"), code == 0:
		default:
			w.t.Errorf("request %s: %v", key, err)
			return err.Error()
		}
	}
}

// nemesis does harm until it is stopped.
func (w *storm) nemesis(ctx context.Context, rng *rand.Rand) error {
	for {
		w.proxy.Lose(nil)
		pause(w.t, rng)
		if ctx.Err() != nil {
			return nil
		}
		switch rng.IntN(12) {
		case 0:
			if err := w.server.Kill(); err != nil {
				return err
			}
			if err := w.server.Up(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			w.db.Pool.Reset()
		case 1:
			if err := w.server.Pause(); err != nil {
				return err
			}
			pause(w.t, rng)
			if err := w.server.Resume(); err != nil {
				return err
			}
		case 2, 3:
			_, err := w.db.Pool.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.3")
			if err != nil && ctx.Err() == nil {
				w.t.Logf("ending sessions: %v", err)
			}
		case 4, 5:
			w.proxy.Break()
		default:
			word := []string{commitMessage, "settle", "once", "event", "drain", "cursor"}[rng.IntN(6)]
			w.proxy.LoseOnce(word, []proxy.Loss{proxy.LoseIt, proxy.LoseAnswer}[rng.IntN(2)])
			for range 5 {
				pause(w.t, rng)
			}
		}
	}
}
