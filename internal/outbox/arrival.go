package outbox

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Arrivals is what came to a destination, in its order.
type Arrivals struct {
	mu   sync.Mutex
	list []Arrival
}

// Arrival is one message as a destination sees it.
type Arrival struct{ ID, Stream, Data string }

// Add notes one.
func (a *Arrivals) Add(one Arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, one)
}

// List is what came so far.
func (a *Arrivals) List() []Arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}

// Judge fails the test unless every stream's events 1 to n came, for the first
// time each in the order of the stream, each under one ID of its own, and what
// came again is equal to what came before. It returns how many came again.
func (a *Arrivals) Judge(t *testing.T, streams []string, n int) (again int) {
	t.Helper()
	seen, newest := map[string]Arrival{}, map[string]int{}
	for _, one := range a.List() {
		if first, ok := seen[one.ID]; ok {
			if again++; first != one {
				t.Errorf("%+v came again as %+v", first, one)
			}
			continue
		}
		seen[one.ID] = one
		if want := strconv.Itoa(newest[one.Stream] + 1); one.Data != want {
			t.Fatalf("stream %s: %s came as %s where %s was next", one.Stream, one.Data, one.ID, want)
		}
		newest[one.Stream]++
	}
	for _, stream := range streams {
		if newest[stream] != n {
			t.Errorf("stream %s: %d of %d events came", stream, newest[stream], n)
		}
	}
	if len(newest) != len(streams) {
		t.Errorf("%d streams came, not %d", len(newest), len(streams))
	}
	return again
}

// String is for failures.
func (a Arrival) String() string { return fmt.Sprintf("%s %s as %s", a.Stream, a.Data, a.ID) }
