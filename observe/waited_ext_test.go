package observe_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/observe"
)

// unheard is a log of which a node hears nothing new until it asks.
type unheard struct{ journal.Log }

func (unheard) Wait(ctx context.Context, _ uint64) error { <-ctx.Done(); return ctx.Err() }

// TestViewsThatWaited: a node that follows tells which views had to wait for it to catch
// up, by the consistency that they asked for.
func TestViewsThatWaited(t *testing.T) {
	store, watch := sharedlog.NewStore(), observe.New()
	nodes := map[string]*embedded.DB{}
	open := func(name string, wrap func(journal.Log) journal.Log, opts ...embedded.Option) *embedded.DB {
		logs, _ := sharedlog.Database([16]byte{1}, store)
		logs.Logs[0] = wrap(logs.Logs[0])
		self := node.Shared{Address: name, Dial: func(address string) (mainstem.Backend, error) { return nodes[address].Direct(), nil }, Patience: 100 * time.Millisecond}
		db, err := embedded.Open(t.Context(), "db", append(opts,
			embedded.Memory(32<<20), embedded.OnDisk(disk.NewMem()), embedded.Cluster(logs, name, self))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	nodes["a"] = open("a", func(l journal.Log) journal.Log { return l })
	write := func() *mainstem.Receipt {
		r, err := nodes["a"].Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write()
	nodes["b"] = open("b", func(l journal.Log) journal.Log { return unheard{l} }, embedded.Through(watch.Backend))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(watch)
	told := (&world{t: t, registry: registry}).told
	view := func(at mainstem.Consistency) {
		t.Helper()
		v, err := nodes["b"].Group("g").View(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	for level, at := range map[string]func(*mainstem.Receipt) mainstem.Consistency{
		"latest":   func(*mainstem.Receipt) mainstem.Consistency { return mainstem.Latest() },
		"at_least": func(r *mainstem.Receipt) mainstem.Consistency { return mainstem.AtLeast(r.Token) },
		"as_of":    func(r *mainstem.Receipt) mainstem.Consistency { return mainstem.AsOf(r.Position) },
		"within":   func(*mainstem.Receipt) mainstem.Consistency { return mainstem.Within(time.Nanosecond) },
		"local":    func(*mainstem.Receipt) mainstem.Consistency { return mainstem.Local() },
	} {
		counts := func() (waited, served float64) {
			all := told()
			return all[`views_total{consistency="`+level+`",outcome="waited"}`], all[`views_total{consistency="`+level+`",outcome="served"}`]
		}
		waited, served := counts()
		r := write()
		view(at(r))
		w, s := counts()
		if want := level != "local"; (w == waited+1) != want || (s == served) != want {
			t.Errorf("%s of what is not there yet: %v waited, %v served", level, w-waited, s-served)
		}
		view(mainstem.Latest())
		waited, served = counts()
		view(at(r))
		if w, s := counts(); w != waited || s != served+1 {
			t.Errorf("%s of what is there: %v waited more, %v served more", level, w-waited, s-served)
		}
	}
}
