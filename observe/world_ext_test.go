package observe_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/observe"
)

// world is an observed database on a disk that fails on command.
type world struct {
	t        *testing.T
	disk     *disk.Faults
	watch    *observe.Observer
	db       *embedded.DB
	registry *prometheus.Registry
}

func start(t *testing.T, watch *observe.Observer, opts ...embedded.Option) *world {
	t.Helper()
	return startOn(t, disk.NewFaults(disk.NewMem()), watch, opts...)
}

func startOn(t *testing.T, faults *disk.Faults, watch *observe.Observer, opts ...embedded.Option) *world {
	t.Helper()
	opts = append([]embedded.Option{
		embedded.Memory(32 << 20), embedded.SegmentSize(1 << 20), embedded.OnDisk(faults), embedded.Through(watch.Backend),
	}, opts...)
	db, err := embedded.Open(context.Background(), "db", opts...)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, disk: faults, watch: watch, db: db, registry: prometheus.NewPedanticRegistry()}
	w.registry.MustRegister(watch, &observe.Gauges{DB: db, Followers: func() []string { return []string{"f", "f"} }})
	t.Cleanup(func() {
		if err := db.Close(); err != nil && db.Err() == nil {
			t.Error(err)
		}
	})
	return w
}

// commit sends one transaction, and does not repeat it.
func (w *world) commit(group, id string, parts ...any) (*mainstem.Receipt, error) {
	w.t.Helper()
	x := &mainstem.Transaction{Group: group, ID: mainstem.ID{Opaque: id}}
	for _, p := range parts {
		switch p := p.(type) {
		case mainstem.Condition:
			x.Conditions = append(x.Conditions, p)
		case mainstem.Operation:
			x.Operations = append(x.Operations, p)
		case mainstem.Meta:
			x.Meta = p
		default:
			w.t.Fatalf("a transaction has no %T", p)
		}
	}
	return w.db.Backend().Commit(context.Background(), x)
}

// wants is commit with the code that it is to end with, 0 for none.
func (w *world) wants(code mainstem.Code, group, id string, parts ...any) {
	w.t.Helper()
	if _, err := w.commit(group, id, parts...); mainstem.CodeOf(err) != code {
		w.t.Errorf("%s in %s: %v, want code %s", id, group, err, code)
	}
}

func put(name string) mainstem.Put {
	return mainstem.Put{Name: name, Value: mainstem.Bytes([]byte("v"))}
}

// told is what the registry tells: the value of a counter or a gauge, the count of
// a histogram.
func (w *world) told() map[string]float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := strings.TrimPrefix(f.GetName(), "mainstem_")
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.GetHistogram() != nil:
				all[name] = float64(m.GetHistogram().GetSampleCount())
			case m.GetCounter() != nil:
				all[name] = m.GetCounter().GetValue()
			default:
				all[name] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// tells compares what is told with what was done.
func (w *world) tells(want map[string]float64) {
	w.t.Helper()
	told := w.told()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, ok := told[name]; !ok || got != want[name] {
			w.t.Errorf("%s is %v (told: %t), want %v", name, got, ok, want[name])
		}
	}
}

// eventually looks until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("in vain: waiting until %s", what)
		}
	}
}
