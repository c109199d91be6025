package sim

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/check"
)

// TestConcurrentListsAreSerializable judges what concurrent clients saw over
// several streams, in real time (strict serializability within a group).
func TestConcurrentListsAreSerializable(t *testing.T) {
	for _, form := range []struct {
		name string
		raw  bool
	}{{"Do", false}, {"conditions", true}} {
		t.Run(form.name, func(t *testing.T) {
			Rounds(t, 10, func(t *testing.T, seed uint64) {
				over(t, func(t *testing.T, db *mainstem.DB) {
					txs, outcomes := Lists(t.Context(), db, seed, 6, 25, form.raw), [3]int{}
					for _, tx := range txs {
						outcomes[tx.Outcome]++
					}
					if found := check.Serializable(txs, true); found != nil {
						t.Errorf("not serializable: %v\n%v", found, txs)
					}
					if outcomes[check.Committed] < len(txs)/4 || outcomes[check.Undecided] > 0 {
						t.Errorf("of %d transactions %d committed, %d aborted, %d are undecided: the history says little",
							len(txs), outcomes[check.Committed], outcomes[check.Aborted], outcomes[check.Undecided])
					}
				})
			})
		})
	}
}

func TestConcurrentKeysAreLinearizable(t *testing.T) {
	Rounds(t, 10, func(t *testing.T, seed uint64) {
		over(t, func(t *testing.T, db *mainstem.DB) {
			ops := Keys(t.Context(), db, seed, 6, 40)
			if verdict, why := check.Linearizable(ops, 20*time.Second); verdict != check.Yes {
				t.Errorf("linearizable: %s: %s", verdict, why)
			}
		})
	})
}

// stale is a Backend with a planted fault: its views are old ones, kept open.
type stale struct {
	mainstem.Backend
	mu   sync.Mutex
	kept mainstem.Snapshot
}

func (s *stale) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh, err := s.Backend.View(ctx, r)
	if old := s.kept; old != nil && err == nil && fresh.Stamp().Position%5 != 0 {
		return old, nil
	}
	s.kept = fresh
	return fresh, err
}

// TestHistoriesFindPlantedFaults: a database that judges no conditions, and
// one that reads stale, must be found out by these very histories.
func TestHistoriesFindPlantedFaults(t *testing.T) {
	found := false
	for seed := uint64(0); seed < 200 && !found; seed++ { // whether clients meet is up to the scheduler
		unjudged := bent{Backend: NewModel().backend, commit: func(tx *mainstem.Transaction) { tx.Conditions = nil }}
		found = check.Serializable(Lists(t.Context(), mainstem.New(unjudged), seed, 6, 25, true), true) != nil
	}
	if !found {
		t.Error("a database without conditions passes as serializable")
	}
	old := &stale{Backend: NewModel().backend}
	ops := Keys(t.Context(), mainstem.New(old), 1, 6, 40)
	if verdict, _ := check.Linearizable(ops, 20*time.Second); verdict != check.No {
		t.Errorf("a database that reads stale passes as linearizable: %s", verdict)
	}
	bold := bent{Backend: NewModel().backend, commit: without[mainstem.KeyEquals]}
	ops = Keys(t.Context(), mainstem.New(bold), 1, 6, 40)
	if verdict, _ := check.Linearizable(ops, 20*time.Second); verdict != check.No {
		t.Errorf("a database that does not compare before it sets passes as linearizable: %s", verdict)
	}
}
