package anomaly

import (
	"slices"
	"testing"
)

// deliver carries one message over a path while everything that can fail fails once, in
// every combination, and says how often its effect can have happened.
func deliver(p Path) (counts []int) {
	for bits := range 1 << 4 {
		lostSend, lostAck, crash, lateRepeat := bits&1 > 0, bits&2 > 0, bits&4 > 0, bits&8 > 0
		effects, known, acked := 0, false, false
		receive := func(forgotten bool) {
			if !p.AckAfter {
				acked = !lostAck
				if crash && effects == 0 && !known {
					crash = false
					return // acknowledged, and gone
				}
			}
			if !known || forgotten && !p.KeepsLonger || !p.Remembers {
				effects++
			}
			known = true
			if p.AckAfter {
				acked = !lostAck
			}
		}
		if !lostSend {
			receive(false)
		}
		if p.Repeats && !acked {
			lostAck = false
			receive(lateRepeat)
		}
		counts = append(counts, effects)
	}
	slices.Sort(counts)
	return slices.Compact(counts)
}

// TestPaths: what a path promises and lets in is what a simulation of it does.
func TestPaths(t *testing.T) {
	for bits := range 1 << 4 {
		p := Path{bits&1 > 0, bits&2 > 0, bits&4 > 0, bits&8 > 0}
		counts := deliver(p)
		lost, doubled := slices.Contains(counts, 0), slices.Max(counts) > 1
		if open := p.Open(); slices.Contains(open, "lost_event") != lost || slices.Contains(open, "duplicate_effect") != doubled {
			t.Errorf("%+v: %q is open, effects %v", p, open, counts)
		}
		name := p.Of().Name
		if (name == "effectively_once") != (!lost && !doubled) || name == "at_least_once" && lost {
			t.Errorf("%+v is called %s, effects %v", p, name, counts)
		}
	}
	if d, err := LookupDelivery("exactly once"); err != nil || d.Name != "effectively_once" {
		t.Errorf("%s, %v", d.Name, err)
	}
	for _, d := range Deliveries() {
		if d.Means == "" || len(d.Needs) == 0 || len(d.Loses) == 0 || len(d.Source) == 0 {
			t.Errorf("%s is not explained", d.Name)
		}
	}
}
