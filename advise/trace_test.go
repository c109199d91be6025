package advise_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/anomaly"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// TestTraces: each anomaly that an answer calls possible is told once, in the names of the
// description where there are any, and no other.
func TestTraces(t *testing.T) {
	own := 0
	for _, name := range workloads(t) {
		a := advise.Advise(read(t, name))
		possible := map[string]bool{}
		for _, x := range slices.Concat(a.Remaining, a.Anomalies) {
			possible[x.Name] = true
		}
		for _, w := range a.Wishes {
			if w.State == "not prevented" {
				possible[w.Anomaly] = true
			}
		}
		for _, tr := range a.Traces {
			if !possible[tr.Anomaly] {
				t.Errorf("%s: %s is told, and is not possible, or told twice", name, tr.Anomaly)
			}
			delete(possible, tr.Anomaly)
			if tr.Title == "" || strings.Count(tr.History, "\n") < 2 || tr.Wrong == "" || len(tr.Prevented) == 0 || len(tr.Because) == 0 {
				t.Errorf("%s: %+v is not whole", name, tr)
			}
			if tr.Own {
				own++
			}
		}
		for left := range possible {
			t.Errorf("%s: %s is possible, and not told", name, left)
		}
	}
	if own < 40 {
		t.Errorf("%d histories are told in the names of the descriptions", own)
	}
	field, _ := workload.Lookup("never[].anomaly")
	for _, o := range field.Options {
		if _, err := anomaly.Retell(o.Name, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestTraceIsOfTheWorkload: a history names what the description names, and nothing if it does not.
func TestTraceIsOfTheWorkload(t *testing.T) {
	base := "never: [{words: x, anomaly: lost_update}]\n"
	a := described(t, base+"operations: [{name: rename, kind: write}, {name: reserve, kind: decide, key: item}, {name: give back, kind: decide, key: shelf}]\n")
	if tr := a.Traces[0]; !tr.Own || !strings.Contains(tr.History, "reserve 1") || !strings.Contains(tr.History, "one item") {
		t.Errorf("%+v", tr)
	}
	if tr := described(t, base).Traces[0]; tr.Own || !strings.Contains(tr.History, "pieces") {
		t.Errorf("without operations: %+v", tr)
	}
}
