package observe_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/observe"
)

// TestCommitsAreCounted: by what they came to, as often as they did.
func TestCommitsAreCounted(t *testing.T) {
	w := start(t, observe.New())
	w.wants(0, "g", "a", put("k"))
	w.wants(0, "g", "a", put("k"))
	w.wants(mainstem.Exists, "g", "b", mainstem.KeyAbsent{Name: "k"})
	w.wants(mainstem.Conflict, "g", "c", mainstem.KeyEquals{Name: "k", Value: mainstem.Int(7)})
	w.wants(mainstem.TooLarge, "g", "d", mainstem.Put{Name: "k", Value: mainstem.Bytes(make([]byte, mainstem.LimitValue+1))})
	w.wants(mainstem.Invalid, "", "e")
	w.wants(0, "g", "f", mainstem.Acquire{Lease: "l", Owner: "o", TTL: mainstem.LimitTTL})
	w.wants(mainstem.Held, "g", "h", mainstem.Acquire{Lease: "l", Owner: "p", TTL: mainstem.LimitTTL})
	if r, err := w.db.Group("g").Do(t.Context(), "refused", func(tx *mainstem.Txn) error { return tx.Refuse([]byte("no")) }); err != nil || !r.Refused {
		t.Errorf("%+v, %v", r, err)
	}
	w.tells(map[string]float64{
		`calls_total{kind="commit",outcome="done"}`: 2, `calls_total{kind="commit",outcome="replayed"}`: 1,
		`calls_total{kind="commit",outcome="refused"}`: 1, `calls_total{kind="commit",outcome="exists"}`: 1,
		`calls_total{kind="commit",outcome="conflict"}`: 1, `calls_total{kind="commit",outcome="too_large"}`: 1,
		`calls_total{kind="commit",outcome="invalid"}`: 1, `calls_total{kind="commit",outcome="held"}`: 1,
		`calls_total{kind="commit",outcome="corrupt"}`: 0, `calls_total{kind="commit",outcome="failed"}`: 0,
		`call_duration_seconds{kind="commit",outcome="done"}`: 2, `calls_running{kind="commit"}`: 0,
		`calls_total{kind="view",outcome="done"}`: 1, `views_open`: 0,
		`transactions_total{partition="0"}`: 3, `partition_position{partition="0"}`: 3, `partition_ids{partition="0"}`: 3,
	})
}

// TestViewsAreCounted: by consistency, and by whether they got it.
func TestViewsAreCounted(t *testing.T) {
	w := start(t, observe.New())
	w.wants(0, "g", "a", put("k"))
	g, ctx := w.db.Group("g"), t.Context()
	for _, at := range []mainstem.Consistency{mainstem.Latest(), mainstem.Local(), mainstem.Within(0), mainstem.AsOf(1), mainstem.AtLeast(mainstem.Token{})} {
		if _, err := g.Get(ctx, "k", at); err != nil {
			t.Error(err)
		}
	}
	if _, err := g.View(ctx, mainstem.AsOf(99)); mainstem.CodeOf(err) != mainstem.HistoryLost {
		t.Error(err)
	}
	if _, err := g.View(ctx, mainstem.Consistency{Level: 200}); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Error(err)
	}
	open, err := g.View(ctx, mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	w.tells(map[string]float64{"views_open": 1})
	for range 2 {
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	}
	w.tells(map[string]float64{
		`views_total{consistency="latest",outcome="served"}`: 2, `views_total{consistency="local",outcome="served"}`: 1,
		`views_total{consistency="within",outcome="served"}`: 1, `views_total{consistency="at_least",outcome="served"}`: 1,
		`views_total{consistency="as_of",outcome="served"}`: 1, `views_total{consistency="as_of",outcome="refused"}`: 1,
		`views_total{consistency="none",outcome="failed"}`: 1, `views_total{consistency="as_of_time",outcome="served"}`: 0,
		`calls_total{kind="view",outcome="history_lost"}`: 1, `calls_total{kind="read",outcome="done"}`: 5,
		`views_open`: 0, `views_stale_total{consistency="local"}`: 0, `views_stale_total{consistency="as_of"}`: 0,
	})
}

// TestStaleViewsAreCounted: what a replica that is behind shows to a process that
// has heard of more.
func TestStaleViewsAreCounted(t *testing.T) {
	watch := observe.New()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(watch)
	behind, err := mainstemtest.NewFollower(t.Context(), mainstemtest.Open(t).Backend())
	if err != nil {
		t.Fatal(err)
	}
	g := mainstem.New(watch.Backend(behind)).Group("g")
	w := &world{t: t, registry: registry}
	read := func(at mainstem.Consistency) {
		t.Helper()
		if _, err := g.Get(t.Context(), "k", at); err != nil {
			t.Error(err)
		}
	}
	read(mainstem.Local())
	if _, err := g.Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	read(mainstem.Local())
	read(mainstem.Latest())
	w.tells(map[string]float64{`views_stale_total{consistency="local"}`: 1, `views_stale_total{consistency="latest"}`: 0})
	if err := behind.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	read(mainstem.Local())
	w.tells(map[string]float64{`views_stale_total{consistency="local"}`: 1})
}

// ending is a Backend whose feed ends at once.
type ending struct {
	mainstem.Backend
	err error
}

func (e ending) Changes(context.Context, mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) { yield(mainstem.Batch{}, e.err) }
}

// TestFeedsAreCounted: while a reader has changes in hand, it is behind by what
// has come since; what it waits for is nobody's lag.
func TestFeedsAreCounted(t *testing.T) {
	w := start(t, observe.New())
	w.wants(0, "g", "a", put("k"))
	for batch, err := range w.db.Changes(t.Context(), mainstem.From{}) {
		if err != nil || len(batch.Changes) != 1 {
			t.Fatalf("%+v, %v", batch, err)
		}
		w.wants(0, "g", "b", put("k"))
		w.wants(0, "g", "c", put("k"))
		w.tells(map[string]float64{
			`feeds_open{follower=""}`: 1, `feed_changes_total{follower=""}`: 1, `feed_behind_positions{follower=""}`: 3,
		})
		if w.told()[`feed_behind_seconds{follower=""}`] <= 0 {
			t.Error("it is behind by no time")
		}
		break
	}
	waiting, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for _, err := range w.db.Changes(waiting, mainstem.From{Match: mainstem.Match{Groups: []string{"g"}}}) {
			if err != nil {
				t.Error(err)
			}
		}
	}()
	eventually(t, "a reader has taken all", func() bool { return w.told()[`feed_changes_total{follower=""}`] == 4 })
	w.wants(0, "other", "a", put("k"))
	eventually(t, "it waits", func() bool {
		told := w.told()
		return told[`feeds_open{follower=""}`] == 1 && told[`feed_behind_positions{follower=""}`] == 0 && told[`feed_behind_seconds{follower=""}`] == 0
	})
	stop()
	<-ended
	for _, err := range mainstem.New(w.watch.Backend(ending{err: mainstem.Errorf(mainstem.Trimmed, "gone")})).Changes(t.Context(), mainstem.From{}) {
		if err == nil {
			t.Error("it went on")
		}
	}
	w.tells(map[string]float64{
		`feeds_open{follower=""}`: 0, `feed_behind_positions{follower=""}`: 0, `feed_behind_seconds{follower=""}`: 0,
		`feeds_ended_total{code="trimmed"}`: 1, `feeds_ended_total{code="corrupt"}`: 0,
	})
}

// TestWaitForTheStateIsTold: a writer that fills deltas waits until they are in
// tables.
func TestWaitForTheStateIsTold(t *testing.T) {
	w := start(t, observe.New(), embedded.Memory(16<<20))
	for i := range 24 { // six megabytes, of a delta of less than one and a half
		w.wants(0, "g", fmt.Sprint(i), mainstem.Put{Name: fmt.Sprint(i), Value: mainstem.Bytes(make([]byte, mainstem.LimitValue))})
	}
	if told := w.told(); told["write_wait_seconds_total"] <= 0 || told[`disk_bytes{part="log"}`] < 6<<20 {
		t.Errorf("waited for %v s; the log has %v bytes", told["write_wait_seconds_total"], told[`disk_bytes{part="log"}`])
	}
}

// TestFollowersAreCounted: what became of each delivery, and what was parked.
func TestFollowersAreCounted(t *testing.T) {
	w := start(t, observe.New())
	w.wants(0, "g", "a", put("k"))
	w.wants(0, "poison", "b", put("k"))
	ctx, cancel := context.WithCancel(t.Context())
	ended, again := make(chan error, 1), true
	follow := func(_ context.Context, _ *mainstem.Txn, batch []mainstem.Change) error {
		switch {
		case batch[0].Group == "poison":
			return errors.New("no")
		case again:
			again = false
			return mainstem.Errorf(mainstem.Unavailable, "not yet")
		}
		return nil
	}
	go func() {
		ended <- w.db.Follow(ctx, "f", mainstem.Match{Groups: []string{"g", "poison"}}, follow,
			mainstem.Around(w.watch.Deliver), mainstem.Redeliver(1))
	}()
	eventually(t, "both are handled", func() bool {
		told := w.told()
		return told[`deliveries_total{follower="f",outcome="taken"}`] == 1 && told[`follower_parked_changes{follower="f"}`] == 1
	})
	w.tells(map[string]float64{
		`deliveries_total{follower="f",outcome="again"}`: 1, `deliveries_total{follower="f",outcome="failed"}`: 1,
		`delivery_duration_seconds{follower="f"}`: 3, `delivery_delay_seconds{follower="f"}`: 1, `feed_behind_positions{follower="f"}`: 0,
	})
	if told := w.told(); told[`feeds_open{follower="f"}`] < 1 || told[`feed_changes_total{follower="f"}`] < 2 {
		t.Errorf("%v feeds gave %v changes", told[`feeds_open{follower="f"}`], told[`feed_changes_total{follower="f"}`])
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.tells(map[string]float64{`feeds_open{follower="f"}`: 0})
}

var descName = regexp.MustCompile(`fqName: "mainstem_([a-z_]+)"`)

// TestEverythingIsTold: whatever is described is told by a database that serves,
// but for what only a fault brings about; see the tests of those.
func TestEverythingIsTold(t *testing.T) {
	store := dir.OnDisk(disk.NewMem(), "blobs")
	w := start(t, observe.New(), embedded.Partitions(2), embedded.Snapshots(store), embedded.Archive(store))
	for i := range 20 {
		w.wants(0, fmt.Sprint("g", i), "a", put("k"))
	}
	w.watch.Verified([]node.Verification{{Digests: 3}, {Digests: 2, Problem: "differs"}})
	told := w.told()
	names := map[string]bool{"partition_stopped": true}
	if free := w.db.Figures().Free; free < 0 {
		names["disk_free_bytes"] = true // a disk in memory
	}
	for name, v := range told {
		base, _, _ := strings.Cut(name, "{")
		names[base] = true
		if math.IsNaN(v) || v < 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	to := make(chan *prometheus.Desc)
	go func() { defer close(to); w.watch.Describe(to); (&observe.Gauges{}).Describe(to) }()
	described := 0
	for d := range to {
		described++
		if name := descName.FindStringSubmatch(d.String())[1]; !names[name] {
			t.Errorf("%s is described, and not told", name)
		}
	}
	if described < 40 {
		t.Errorf("%d metrics are described: this test cannot see them any more", described)
	}
	w.tells(map[string]float64{
		"up": 1, `verifications_total{outcome="sound"}`: 1, `verifications_total{outcome="damaged"}`: 1, "digests_compared_total": 5,
		"append_errors_total{outcome=\"lost\"}": 0, "record_transactions": 20, "record_bytes": 20, "append_duration_seconds": 20,
		"sync_duration_seconds": 22, "log_files": 2, "append_running_seconds": 0,
	})
	if told[`transactions_total{partition="0"}`]+told[`transactions_total{partition="1"}`] != 20 {
		t.Errorf("both partitions together: %v", told)
	}
	for _, name := range []string{
		`memory_bytes{part="feed"}`, `memory_bytes{part="state"}`, `memory_limit_bytes{part="queue"}`, `disk_bytes{part="log"}`,
		`partition_age_seconds{partition="0"}`, `disk_bytes{part="state"}`,
	} {
		if told[name] <= 0 {
			t.Errorf("%s is %v", name, told[name])
		}
	}
}
