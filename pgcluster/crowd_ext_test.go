package pgcluster_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/proxy"
)

// call is one addition of 1 to one counter: when it was asked for and answered, and
// what the counter was then.
type call struct {
	id         string
	with       bool // by CommitWith
	from, to   time.Time
	value, pos int64
	replayed   bool
}

// history is calls of many at once.
type history struct {
	mu    sync.Mutex
	calls []call
}

func (h *history) add(c call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

// judge holds a history of a counter to being linearizable: each value is given once,
// in the order of positions, and whoever asked after another was answered has more.
func (h *history) judge(t *testing.T, last int64) {
	t.Helper()
	taken := map[int64]string{}
	for _, a := range h.calls {
		if other, ok := taken[a.value]; ok {
			t.Errorf("%s and %s were both answered %d", a.id, other, a.value)
		}
		taken[a.value] = a.id
		if a.value > last {
			t.Errorf("%s was answered %d, and the counter ends at %d", a.id, a.value, last)
		}
		for _, b := range h.calls {
			if a.to.Before(b.from) && a.value > b.value || a.pos < b.pos && a.value > b.value {
				t.Errorf("%s was answered %d at position %d before %s was asked for, which was answered %d at %d", a.id, a.value, a.pos, b.id, b.value, b.pos)
			}
		}
	}
	if int64(len(h.calls)) != last {
		t.Errorf("%d calls were answered, and the counter ends at %d", len(h.calls), last)
	}
}

// TestCommitWithAmongOthers: through two nodes at once, beside ordinary commits, while
// ways break: every pair is whole, the counter is linearizable, the nodes agree (L2, L5).
func TestCommitWithAmongOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var h history
	var all sync.WaitGroup
	var nodes []*embedded.DB
	stop := make(chan struct{})
	for n := range 2 {
		way, dsn := w.way()
		db := w.node(string(rune('a'+n)), dsn)
		nodes = append(nodes, db)
		pool, err := pgxpool.New(t.Context(), dsn)
		w.must(err)
		t.Cleanup(pool.Close)
		for k := range 3 {
			all.Go(func() {
				for i := range 15 {
					w.together(&h, db, pool, fmt.Sprintf("with-%d-%d-%d", n, k, i))
				}
			})
			all.Go(func() {
				for i := range 15 {
					w.alone(&h, db, fmt.Sprintf("plain-%d-%d-%d", n, k, i))
				}
			})
		}
		go breakWays(rand.New(rand.NewPCG(seed, uint64(n))), way, stop)
	}
	all.Wait()
	close(stop)
	last := sold(t, nodes[0])
	if other := sold(t, nodes[1]); other != last {
		t.Errorf("the nodes have %d and %d", last, other)
	}
	h.judge(t, last)
	if n := w.number("SELECT count(*) FROM " + w.table); n != 90 {
		t.Errorf("%d rows of the caller's, want 90", n)
	}
	if n := w.number("SELECT count(*) FROM " + w.table + " WHERE n <> 0"); n != 0 {
		t.Errorf("%d of the caller's transactions were committed again (L5)", n)
	}
}

// breakWays loses what is said at commits, now and then.
func breakWays(r *rand.Rand, way *proxy.Proxy, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			way.Lose(nil)
			return
		case <-time.After(time.Duration(20+r.IntN(80)) * time.Millisecond):
		}
		word := []string{"commit", "append", "confirm"}[r.IntN(3)]
		way.LoseOnce(word, []proxy.Loss{proxy.LoseIt, proxy.LoseAnswer}[r.IntN(2)])
	}
}

// together repeats a CommitWith until it is answered.
func (w *world) together(h *history, db *embedded.DB, pool *pgxpool.Pool, id string) {
	c := call{id: id, with: true, from: time.Now()}
	for {
		r, err := w.pair(w.Context(), db, pool, id, nil)
		if err == nil {
			c.to, c.value, c.pos, c.replayed = time.Now(), r.Results[0].Counter, int64(r.Position), r.Replayed
			h.add(c)
			return
		}
		if code := mainstem.CodeOf(err); !code.Retryable() && code != mainstem.RetryTransaction {
			w.Errorf("%s: %v", id, err)
			return
		}
	}
}

// alone repeats an ordinary commit until it is answered.
func (w *world) alone(h *history, db *embedded.DB, id string) {
	c := call{id: id, from: time.Now()}
	for {
		r, err := db.Group("shop").Do(w.Context(), id, func(tx *mainstem.Txn) error { tx.Add("sold", 1); return nil })
		if err == nil {
			c.to, c.value, c.pos, c.replayed = time.Now(), r.Results[0].Counter, int64(r.Position), r.Replayed
			h.add(c)
			return
		}
		if !mainstem.CodeOf(err).Retryable() {
			w.Errorf("%s: %v", id, err)
			return
		}
	}
}
