package node_test

import (
	"testing"

	"github.com/mainstemdb/mainstem"
)

// network sends as a Backend does whose requests can arrive late.
func (w *world) network(id string, attempt uint32, operations ...mainstem.Operation) (*mainstem.Receipt, error) {
	return w.db.Backend().Commit(w.t.Context(), &mainstem.Transaction{
		Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: attempt, Networked: true, Operations: operations,
	})
}

// TestARefusedAttemptStaysRefused: a definite refusal is recorded; a late copy
// of that attempt, or of an earlier one, cannot commit, also after a power cut;
// the lookup says from where to number on, and a higher attempt commits (L11).
func TestARefusedAttemptStaysRefused(t *testing.T) {
	w := start(t)
	take := mainstem.Add{Name: "stock", Delta: -1, Floor: new(int64)}
	_, err := w.network("buy", 3, take)
	wantCode(t, "the attempt without stock", err, mainstem.OutOfRange)
	w.must("g", "restock", mainstem.Add{Name: "stock", Delta: 5})
	after := w.crash()
	for _, w := range []*world{w, after} {
		for attempt := range uint32(3) {
			_, err := w.network("buy", attempt+1, take)
			wantCode(t, "a late copy", err, mainstem.Cancelled)
		}
		s, err := w.db.Backend().View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest(), ID: mainstem.ID{Opaque: "buy"}})
		if err != nil || s.Known() != nil || s.Stamp().Attempt != 3 {
			t.Errorf("the lookup knows %v and names attempt %d, want 3: %v", s.Known(), s.Stamp().Attempt, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		w.wantValue("g", "stock", "5")
		// Do numbers on by itself.
		r, err := w.db.Group("g").Do(t.Context(), "buy", func(tx *mainstem.Txn) error { tx.Operate(take); return nil })
		if err != nil || r.Replayed {
			t.Errorf("the next attempt: %+v, %v", r, err)
		}
		w.wantValue("g", "stock", "4")
		if r, err := w.network("buy", 1, take); err != nil || !r.Replayed {
			t.Errorf("a late copy after the commit: %+v, %v; want the first receipt", r, err)
		}
		w.close()
	}
}
