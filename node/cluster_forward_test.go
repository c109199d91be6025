package node_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
)

// TestForwardedAndNotKnown: what was forwarded, and not answered, is not told as not
// done because this node cannot do it itself (L11).
func TestForwardedAndNotKnown(t *testing.T) {
	c := gather(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.put(a, "k", "1")
	c.want(b, mainstem.Latest(), "k", "1")
	a.line.Next(mainstemtest.LoseReply)
	b.log.Cut(true)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := b.Backend().Commit(ctx, &mainstem.Transaction{
		Group: "g", ID: mainstem.ID{Opaque: "once"}, Attempt: 1, Operations: []mainstem.Operation{mainstem.Add{Name: "n", Delta: 1}},
	})
	b.log.Cut(false)
	wantCode(t, "a transaction that is in the log", err, mainstem.Undecided)
	v, err := a.Get(t.Context(), "g", "n", mainstem.Latest())
	if err != nil || v.Value.Int != 1 {
		t.Errorf("n is %d, %v", v.Value.Int, err)
	}
}

// halting is a log whose appends wait while it is halted.
type halting struct {
	journal.Log
	mu   *sync.Mutex
	came *atomic.Int64
}

func (h halting) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	h.came.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Log.Append(ctx, after, record)
}

// TestRefusedWhileItsCopyWaits: a node that judges itself what it had forwarded, and
// refuses it, is right for good: the copy that another node still holds commits no more,
// whatever the way between the two is (L11).
func TestRefusedWhileItsCopyWaits(t *testing.T) {
	store, nodes := sharedlog.NewStore(), map[string]*embedded.DB{}
	h := halting{mu: new(sync.Mutex), came: new(atomic.Int64)}
	start := func(name string, reaches ...string) *embedded.DB {
		logs, _ := sharedlog.Database(clusterID, store)
		if name == "a" {
			h.Log = logs.Logs[0]
			logs.Logs[0] = h
		}
		dial := func(address string) (mainstem.Backend, error) {
			if !slices.Contains(reaches, address) {
				return nil, mainstem.Errorf(mainstem.Unavailable, "%s is away", address)
			}
			return nodes[address].Direct(), nil
		}
		db, err := openNode(logs, name, node.Shared{Address: name, Dial: dial, Patience: 300 * time.Millisecond, TakeOver: time.Millisecond})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		nodes[name] = db
		return db
	}
	a, b, c := start("a"), start("b", "a"), start("c")
	set := func(db *embedded.DB, value int64) {
		t.Helper()
		_, err := db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Set("k", value); return nil })
		must(t, err)
	}
	set(a, 1)
	h.mu.Lock()
	came, refused := h.came.Load(), make(chan error, 1)
	go func() {
		_, err := b.Backend().Commit(t.Context(), &mainstem.Transaction{
			Group: "g", ID: mainstem.ID{Opaque: "late"}, Attempt: 1,
			Conditions: []mainstem.Condition{mainstem.KeyEquals{Name: "k", Value: mainstem.Int(1)}},
			Operations: []mainstem.Operation{mainstem.Put{Name: "k", Value: mainstem.Int(7)}},
		})
		refused <- err
	}()
	eventually(t, "the copy is on its way to the log", func() bool { return h.came.Load() > came })
	set(c, 2)
	wantCode(t, "judged where the key is 2", <-refused, mainstem.Conflict)
	set(c, 1)
	h.mu.Unlock()
	set(a, 3) // behind the copy, in the same loop
	v, err := c.Get(t.Context(), "g", "k", mainstem.Latest())
	must(t, err)
	view, err := c.Group("g").View(t.Context(), mainstem.Latest())
	must(t, err)
	defer view.Close()
	if r, err := view.Receipt(t.Context(), "late"); r != nil || err != nil || v.Value.Int != 3 {
		t.Errorf("what was refused has committed: %+v, %v; k is %d", r, err, v.Value.Int)
	}
}
