package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// TestPowerCuts cuts the power at seeded moments, at every kind of file
// operation, with any part of what was not synced kept, and opens what is left:
// every acknowledged transaction is there once, none is half there, the state
// is the model's, and a retry gets its first receipt.
func TestPowerCuts(t *testing.T) {
	const perWorld = 25 // of 30 planned; some moments never come
	asked, points := Scaled(t, 2000), 0
	kinds := map[disk.Op]int{}
	t.Run("worlds", func(t *testing.T) {
		Rounds(t, 2000/perWorld, func(t *testing.T, seed uint64) {
			w := newWorld(seed)
			w.plan(Rand(seed), 30)
			if err := w.run(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			if len(w.cuts) == 0 {
				t.Fatal("the power was never cut")
			}
			points += len(w.cuts)
			var all sync.WaitGroup
			for i, c := range w.cuts {
				kinds[c.kind]++
				all.Go(func() {
					if err := w.verify(t.Context(), c, Rand(seed+uint64(i)<<32)); err != nil {
						t.Errorf("power cut before %s (keep %.2f): %v", c.event, c.keep, err)
					}
				})
			}
			all.Wait()
		})
	})
	t.Logf("crash points run / asked: %d / %d; by the operation that the cut came before: %v", points, asked, kinds)
	for _, kind := range cutKinds {
		if kinds[kind] == 0 && asked >= 2000 {
			t.Errorf("the power was never cut before a %s", kind)
		}
	}
}

var cutKinds = []disk.Op{
	disk.OpOpen, disk.OpCreate, disk.OpRead, disk.OpWrite, disk.OpSync, disk.OpRename, disk.OpRemove, disk.OpClose,
}

// TestPowerCutsNoticeALyingDisk takes the syncs away: the test above is worth
// something only if it fails then.
func TestPowerCutsNoticeALyingDisk(t *testing.T) {
	for seed := range uint64(20) {
		r := Rand(seed)
		w := newWorld(seed)
		w.faults.Inject(disk.Fault{Kind: disk.OpSync, Swallow: true, Stays: true})
		w.plan(r, 10)
		if err := w.run(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		for _, c := range w.cuts {
			if err := w.verify(t.Context(), c, r); err != nil {
				t.Logf("noticed: %v", err)
				return
			}
		}
	}
	t.Error("a disk that ignores every sync passes the crash test")
}

// world is a database on a disk whose power is cut, and its clients, one per
// group: what a client sees depends on nobody else.
type world struct {
	faults  *disk.Faults
	power   *disk.Power
	clients []*client

	mu   sync.Mutex
	when map[moments]cutting
	seen map[disk.Op]int
	cuts []cut
	err  error
}

// moments names one file operation: the n-th of its kind.
type moments struct {
	kind disk.Op
	n    int
}

type cutting struct {
	seed uint64
	keep float64
}

// cut is a disk as a power cut left it, and how far the clients were.
type cut struct {
	cutting
	kind   disk.Op
	event  string
	fs     disk.FS
	lo, hi []int // acknowledged for sure; sent at all
}

func newWorld(seed uint64) *world { return newWorldOn(seed, []float64{0, 0.3, 1}[seed%3]) }

// newWorldOn chooses how much of what is not synced reaches the disk at once.
func newWorldOn(seed uint64, early float64) *world {
	w := &world{when: map[moments]cutting{}, seen: map[disk.Op]int{}}
	w.power, w.err = disk.NewPower(disk.NewMem(), disk.PowerConfig{Early: early, Seed: seed})
	w.faults = disk.NewFaults(w.power)
	w.faults.Watch(w.watch)
	for i, group := range groups {
		r := Rand(seed*31 + uint64(i))
		w.clients = append(w.clients, &client{group: group, script: newScript(commitsOf(Generate(r, 120), group, 14), group)})
	}
	return w
}

// commitsOf is the first n of a list that one group's client can run alone.
func commitsOf(list List, group string, n int) (l List) {
	for _, op := range list {
		if c, ok := op.Do.(Commit); ok && c.Transaction.Group == group && len(l) < n {
			l = append(l, op)
		}
	}
	return l
}

// plan chooses the moments of n cuts: the rare kinds of operation as often as
// the common ones.
func (w *world) plan(r *rand.Rand, n int) {
	for range n {
		m := moments{kind: cutKinds[r.IntN(len(cutKinds))], n: 1 + r.IntN(12)}
		if m.kind == disk.OpWrite || m.kind == disk.OpSync {
			m.n = 1 + r.IntN(50)
		}
		keep := []float64{0, 1, r.Float64(), r.Float64()}[r.IntN(4)]
		w.when[m] = cutting{seed: r.Uint64(), keep: keep}
	}
}

// watch cuts the power, as seen by a copy of the disk, before an operation.
func (w *world) watch(e disk.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[e.Kind]++
	c, ok := w.when[moments{e.Kind, w.seen[e.Kind]}]
	if !ok {
		return
	}
	// Acknowledgements count from before the copy is made, sendings to after.
	var lo, hi []int
	for _, client := range w.clients {
		lo = append(lo, int(client.acked.Load()))
	}
	fs, err := w.power.Crash(c.seed, c.keep)
	for _, client := range w.clients {
		hi = append(hi, int(client.begun.Load()))
	}
	if err != nil {
		w.err = err
		return
	}
	w.cuts = append(w.cuts, cut{
		cutting: c, kind: e.Kind, fs: fs, lo: lo, hi: hi,
		event: fmt.Sprintf("%s %d (%s), acknowledged %v, sent %v", e.Kind, w.seen[e.Kind], e.Path, lo, hi),
	})
}

func openOn(ctx context.Context, fs disk.FS) (*embedded.DB, error) {
	// The clock stands still: no key may expire while the test decides what to expect.
	return embedded.Open(ctx, "db", options(fs)...)
}

func options(fs disk.FS) []embedded.Option {
	return []embedded.Option{quiet(), small(1), rolling(), embedded.OnDisk(fs), embedded.OnClock(mainstemtest.NewClock())}
}

// replayWrongs replays the log from its beginning, and compares the digest of
// every range of the state with the stored one.
func replayWrongs(ctx context.Context, fs disk.FS) (wrong []string) {
	found, err := embedded.Verify(ctx, "db", "scratch", func(int, uint64, uint64) {}, options(fs)...)
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range found {
		if f.Problem != "" {
			wrong = append(wrong, f.Problem)
		}
	}
	return wrong
}

// run lets the clients work, with clean restarts in between.
func (w *world) run(ctx context.Context, restarts int) error {
	parts := restarts + 1
	for part := range parts {
		db, err := openOn(ctx, w.faults)
		if err != nil {
			return err
		}
		var all sync.WaitGroup
		errs := make([]error, len(w.clients))
		for i, c := range w.clients {
			to := len(c.script.list) * (part + 1) / parts
			ctx := ctx
			if i%2 == 0 { // who never gives up writes records itself
				ctx = context.WithoutCancel(ctx)
			}
			all.Go(func() { errs[i] = c.work(ctx, db.DB, to) })
		}
		all.Wait()
		for _, err := range append(errs, db.Close(), w.err) {
			if err != nil {
				return err
			}
		}
	}
	w.faults.Watch(nil)
	return nil
}

// verify opens what a power cut left, sometimes after a second one during
// recovery, and holds it to its promises.
func (w *world) verify(ctx context.Context, c cut, r *rand.Rand) error {
	fs := c.fs
	if r.IntN(5) == 0 {
		var err error
		if fs, err = cutRecovery(ctx, fs, r); err != nil {
			return fmt.Errorf("recovery, cut as well: %w", err)
		}
	}
	db, err := openOn(ctx, fs)
	if err != nil {
		return fmt.Errorf("the database does not open: %w", err)
	}
	var wrong []string
	for i, client := range w.clients {
		wrong = append(wrong, client.judge(ctx, db.DB, c.lo[i], c.hi[i])...)
	}
	wrong = append(wrong, feedWrongs(ctx, db.DB)...)
	if err := db.Close(); err != nil {
		wrong = append(wrong, err.Error())
	}
	wrong = append(wrong, replayWrongs(ctx, fs)...)
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "\n"))
	}
	return nil
}

// cutRecovery opens the database, and cuts the power once more on the way.
func cutRecovery(ctx context.Context, fs disk.FS, r *rand.Rand) (left disk.FS, err error) {
	power, err := disk.NewPower(fs, disk.PowerConfig{Seed: r.Uint64()})
	if err != nil {
		return nil, err
	}
	faults, at, seed := disk.NewFaults(power), int64(1+r.IntN(150)), r.Uint64()
	var mu sync.Mutex
	faults.Watch(func(e disk.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Number == at {
			left, err = power.Crash(seed, float64(seed%3)/2)
		}
	})
	db, openErr := openOn(ctx, faults)
	if openErr != nil {
		return nil, openErr
	}
	if closeErr := db.Close(); closeErr != nil {
		return nil, closeErr
	}
	mu.Lock()
	defer mu.Unlock()
	if left == nil && err == nil {
		left, err = power.Crash(seed, 0) // it needed fewer operations
	}
	return left, err
}

// feedWrongs holds the feed to dense positions, and each ID to one commit.
func feedWrongs(ctx context.Context, db *mainstem.DB) (wrong []string) {
	var newest mainstem.Position
	var once []string
	for batch, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
		if err != nil {
			return append(wrong, "feed: "+err.Error())
		}
		for _, c := range batch.Changes {
			if c.Position != newest+1 {
				wrong = append(wrong, fmt.Sprintf("(L1) position %d after %d", c.Position, newest))
			}
			newest = c.Position
			if id := c.Group + "/" + c.ID.String(); slices.Contains(once, id) {
				wrong = append(wrong, "(L5) committed twice: "+id)
			} else {
				once = append(once, id)
			}
		}
	}
	return wrong
}
