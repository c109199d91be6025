package isolation

import (
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/anomaly"
)

// orders are all orders of the steps that keep each transaction's own.
func orders(t anomaly.Trace) (all [][]int) {
	queues := map[string][]int{}
	for i, s := range t.Steps {
		queues[s.By] = append(queues[s.By], i)
	}
	var extend func(done []int, at map[string]int)
	extend = func(done []int, at map[string]int) {
		if len(done) == len(t.Steps) {
			all = append(all, slices.Clone(done))
			return
		}
		for _, by := range t.Who() {
			if at[by] < len(queues[by]) {
				at[by]++
				extend(append(done, queues[by][at[by]-1]), at)
				at[by]--
			}
		}
	}
	extend(nil, map[string]int{})
	return all
}

// shows is true if an outcome is the anomaly: everybody saw what the trace says, nobody
// was aborted, and the end is as it says.
func (o outcome) shows(t anomaly.Trace) bool {
	for i, s := range t.Steps {
		if s.Sees != "" && o.sees[i] != s.Sees {
			return false
		}
	}
	return o.aborts == 0 && (t.After == nil || o.after == t.After.Sees)
}

// key is what the transactions that were not aborted saw, and what they left.
func (o outcome) key(t anomaly.Trace) string {
	var b strings.Builder
	for i, s := range t.Steps {
		if slices.Contains(o.ended, s.By) {
			b.WriteString(s.By + " " + o.sees[i] + "\n")
		}
	}
	return b.String() + o.state
}

// serial are the outcomes of all and of some of the transactions, one after the other;
// none of them may be what the trace calls wrong.
func (w *world) serial(t anomaly.Trace) map[string]bool {
	keys := map[string]bool{}
	var extend func(chosen []string)
	extend = func(chosen []string) {
		var order []int
		for _, by := range chosen {
			for i, s := range t.Steps {
				if s.By == by {
					order = append(order, i)
				}
			}
		}
		o := w.run("SERIALIZABLE", t, order)
		if o.aborts > 0 || len(chosen) == len(t.Who()) && o.shows(t) {
			w.Errorf("%q, one after the other: %+v", chosen, o)
		}
		keys[o.key(t)] = true
		for _, by := range t.Who() {
			if !slices.Contains(chosen, by) {
				extend(append(slices.Clone(chosen), by))
			}
		}
	}
	extend(nil)
	return keys
}

// levels of PostgreSQL, as SQL has them, and under which name they are judged.
var levels = []struct{ sql, name string }{
	{"READ UNCOMMITTED", "read_uncommitted"}, {"READ COMMITTED", "read_committed"}, {"REPEATABLE READ", "repeatable_read"}, {"SERIALIZABLE", "serializable"},
}

// TestPostgreSQL runs every anomaly of isolation at every level, in every order of its
// steps. What a level is said to admit must appear in the trace's own order, what it is
// said to prevent in none, and at SERIALIZABLE whatever was committed must be what some
// of the transactions come to one after the other.
func TestPostgreSQL(t *testing.T) {
	w := newWorld(t)
	shown := map[string]bool{}
	for _, a := range anomaly.All() {
		if a.Kind != anomaly.Isolation {
			continue
		}
		w.lay(a.Trace)
		serial, all := w.serial(a.Trace), orders(a.Trace)
		for _, level := range levels {
			found, aborts := 0, 0
			for _, order := range all {
				o := w.run(level.sql, a.Trace, order)
				if o.shows(a.Trace) {
					found++
				}
				if o.aborts > 0 {
					aborts++
				}
				if slices.IsSorted(order) && o.shows(a.Trace) {
					shown[level.name+" "+a.Name] = true
				}
				if level.sql == "SERIALIZABLE" && !serial[o.key(a.Trace)] {
					t.Errorf("%s in order %v is not serializable: %+v", a.Name, order, o)
				}
			}
			t.Logf("%-16s %-22s %3d orders: in %3d of them, aborted in %3d", level.name, a.Name, len(all), found, aborts)
			w.judge(level.name, a, found, shown)
		}
	}
}

// judge holds what was found against what is said.
func (w *world) judge(level string, a anomaly.Anomaly, found int, shown map[string]bool) {
	w.Helper()
	v, err := anomaly.Admits("postgresql", level, a.Name)
	if err != nil {
		w.Fatal(err)
	}
	if v.Sure != anomaly.Tested {
		w.Errorf("%s, %s: is said to be %s, and this tests it", level, a.Name, v.Sure)
	}
	witness := shown[level+" "+a.Name] || slices.ContainsFunc(a.Follows, func(f string) bool { return shown[level+" "+f] })
	switch {
	case v.Admits == anomaly.No && found > 0:
		w.Errorf("%s is said to prevent %s, which happened in %d orders", level, a.Name, found)
	case v.Admits == anomaly.Yes && !witness:
		w.Errorf("%s is said to admit %s, which did not happen in the order of its trace", level, a.Name)
	case v.Admits != anomaly.No && v.Admits != anomaly.Yes:
		w.Errorf("%s, %s: %s", level, a.Name, v.Admits)
	}
}
