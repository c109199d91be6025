package state

import (
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestReceiptsAreForgotten: the receipts of a session do not grow with the
// numbers it has used, and what may still be asked for is answered (L5).
func TestReceiptsAreForgotten(t *testing.T) {
	w := newWorld(t)
	const step, open = 100, 50 * 100
	id := func(number uint64) mainstem.ID {
		return mainstem.ID{Session: mainstem.SessionID{9}, Number: number, Low: max(1, number-min(number-1, open))}
	}
	most := 0
	for number := uint64(1); number < 6*purgeEvery; number += step {
		w.write(w.header(w.tail.Age), 0, []*mainstem.Transaction{{Group: "g", ID: id(number), Operations: []mainstem.Operation{mainstem.Add{Name: "n", Delta: 1}}}})
		rows := 0
		for key := range w.rows {
			if key[0] == kindReceipts {
				rows++
			}
		}
		most = max(most, rows)
		for back := number; back > number-min(number-1, open); back -= step {
			row, err := find(w.rows, w.tail, "g", id(back), w.tail.Age)
			if err != nil || row == nil {
				t.Fatalf("number %d, newest %d: %v, %v; its session still asks for it (L5)", back, number, row, err)
			}
		}
	}
	if kept := 3 * purgeEvery / step; most > kept {
		t.Errorf("%d records' receipts were kept; at most %d are needed", most, kept)
	}
}
