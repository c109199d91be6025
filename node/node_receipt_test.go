package node_test

import (
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestReceiptsAreTheCallersToKeep: what a receipt says stays, whatever is judged
// after it.
func TestReceiptsAreTheCallersToKeep(t *testing.T) {
	w := start(t)
	defer w.close()
	const most = 100
	var kept []*mainstem.Receipt
	for i := range most {
		operations := []any{mainstem.Add{Name: "one", Delta: 1}}
		if i%2 == 1 {
			operations = append(operations, mainstem.Add{Name: "two", Delta: 1})
		}
		kept = append(kept, w.must("g", fmt.Sprint(i), operations...))
	}
	for i, r := range kept {
		want := int64(i + 1)
		if len(r.Results) != 1+i%2 || r.Results[0].Counter != want || i%2 == 1 && r.Results[1].Counter != want/2 {
			t.Errorf("receipt %d has results %v; want %d first", i, r.Results, want)
		}
	}
}
