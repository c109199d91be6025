package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/node"
)

// groupOn is a group in a partition of so many, whose number divides that of slots.
func groupOn(partition, partitions int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("g", i); int(mainstem.SlotOf(name))/(mainstem.Slots/partitions) == partition {
			return name
		}
	}
}

// spread is a cluster in which every partition is written all the time, through all
// nodes that run.
type spread struct {
	*cluster
	partitions int
	added      int64 // to each group
}

// addAll adds one in every partition, through nodes in turn.
func (s *spread) addAll(through ...*member) {
	s.t.Helper()
	var all sync.WaitGroup
	for i := range s.partitions {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
			defer cancel()
			_, err := through[i%len(through)].Group(groupOn(i, s.partitions)).Do(ctx, "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
			if err != nil {
				s.t.Errorf("adding in partition %d: %v", i, err)
			}
		})
	}
	all.Wait()
	s.added++
}

// even adds until the partitions are spread over these nodes, within one, and all of
// them see it so.
func (s *spread) even(over ...*member) {
	s.t.Helper()
	began := time.Now()
	for {
		s.addAll(over...)
		worst := ""
		for _, m := range over {
			count := map[string]int{}
			for _, r := range m.Backend().(*node.Node).Reports() {
				count[r.Writer]++
			}
			for _, n := range over {
				if least := s.partitions / len(over); count[n.name] < least || count[n.name] > least+1 {
					worst = fmt.Sprintf("node %s sees writers %v", m.name, count)
				}
			}
		}
		if worst == "" {
			s.t.Logf("even over %d nodes after %s and %d rounds", len(over), time.Since(began).Round(time.Millisecond), s.added)
			return
		}
		if time.Since(began) > 20*time.Second {
			s.t.Fatalf("not even after 20 s: %s", worst)
		}
	}
}

// moves is how often partitions have changed hands, as a node has seen it.
func (m *member) moves() (n uint64) {
	for _, p := range m.Figures().Partitions {
		n += p.Takeovers
	}
	return n
}

// TestSpread: a node that writes more partitions than others hands some over, under
// load, until all that live write as many, within one; then nothing moves. When one
// is gone the others share what it wrote, and when it is back it has its part again.
func TestSpread(t *testing.T) {
	const partitions = 16
	s := &spread{cluster: gatherOn(t, 3, partitions, embedded.Activate(record.Newest)), partitions: partitions}
	a, b, d := s.nodes[0], s.nodes[1], s.nodes[2]
	s.even(a, b, d)
	if n := b.moves(); n > partitions {
		t.Errorf("%d moves to spread %d partitions that one node wrote", n, partitions)
	}
	before := b.moves()
	for began := time.Now(); time.Since(began) < 10*20*time.Millisecond; { // ten looks
		s.addAll(a, b, d)
	}
	if n := b.moves(); n != before {
		t.Errorf("%d partitions moved though all was even", n-before)
	}
	s.stop(a)
	s.even(b, d)
	s.start(a)
	s.even(a, b, d)
	for i := range partitions {
		for _, m := range s.nodes {
			v, err := m.Get(t.Context(), groupOn(i, partitions), "n", mainstem.Latest())
			if err != nil || v.Value.Int != s.added {
				t.Errorf("node %s has counted %d in partition %d, %v; want %d (L5)", m.name, v.Value.Int, i, err, s.added)
			}
		}
	}
}

// TestSpreadWaitsForItsVersion: in version 1 there is no word for handing over, and
// nothing moves.
func TestSpreadWaitsForItsVersion(t *testing.T) {
	const partitions = 4
	s := &spread{cluster: gatherOn(t, 2, partitions), partitions: partitions}
	a, b := s.nodes[0], s.nodes[1]
	for began := time.Now(); time.Since(began) < 10*20*time.Millisecond; { // ten looks
		s.addAll(a, b)
	}
	if n := b.moves(); n != 0 {
		t.Errorf("%d partitions moved", n)
	}
	if err := s.startAnew(b, embedded.Activate(record.Newest)); err != nil {
		t.Fatal(err)
	}
	s.even(a, b)
}
