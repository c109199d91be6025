package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
)

// TestOverloadIsImmediate: with the disk hung, what waits is bounded in bytes;
// the next transaction is told so without waiting, and nothing of it ever
// commits; when the disk goes on, everything that was accepted commits (L10).
func TestOverloadIsImmediate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		release := w.hang()
		const size = 200 << 10
		big := put("k", strings.Repeat("x", size))
		var accepted []<-chan answer
		refused := 0
		for i := range 100 {
			began := time.Now()
			c := w.later("g", fmt.Sprint("t-", i), big)
			synctest.Wait()
			select {
			case a := <-c:
				wantCode(t, "a transaction beyond the limit", a.err, mainstem.Overloaded)
				if waited := time.Since(began); waited != 0 {
					t.Errorf("overloaded after %s, want at once (L10)", waited)
				}
				refused++
			default:
				accepted = append(accepted, c)
			}
		}
		// One record of 4 MiB flies or is judged, and a tenth of the memory waits.
		if most := (4<<20+4<<20+16<<20/10)/size + 2; len(accepted) > most || refused == 0 {
			t.Errorf("%d transactions of %d bytes were accepted, %d refused, with 16 MiB of memory; the most is %d (L10)", len(accepted), size, refused, most)
		}
		w.wantValue("g", "k", "-") // reads go on
		release()
		for _, c := range accepted {
			if a := <-c; a.err != nil {
				t.Errorf("an accepted transaction: %v", a.err)
			}
		}
		if r := w.must("g", "last"); int(r.Position) != len(accepted)+1 {
			t.Errorf("%d transactions committed, %d were accepted", r.Position-1, len(accepted))
		}
		w.close()
	})
}

// TestManySmallWaitersAreBounded: the number of those that wait has a limit
// too, with memory for many more.
func TestManySmallWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.Memory(256<<20))
		release := w.hang()
		var all []<-chan answer
		const sent = 3 << 14
		for i := range sent {
			all = append(all, w.later("g", fmt.Sprint("t-", i)))
		}
		synctest.Wait()
		release()
		committed, refused := 0, 0
		for _, c := range all {
			switch a := <-c; {
			case a.err == nil:
				committed++
			case mainstem.CodeOf(a.err) == mainstem.Overloaded:
				refused++
			default:
				t.Errorf("neither committed nor overloaded: %v", a.err)
			}
		}
		if committed+refused != sent || refused == 0 {
			t.Errorf("%d committed and %d refused, of %d (L10)", committed, refused, sent)
		}
		w.close()
	})
}

// TestRoomForIDs: where as many of the callers' IDs are remembered as may be, and
// every request is refused for it, there is room again once they have their age (L5, L10).
func TestRoomForIDs(t *testing.T) {
	w := start(t)
	w.must("g", "first", put("k", "1"))
	w.db.Backend().(*node.Node).FillIDs()
	_, err := w.send("g", "second", put("k", "2"))
	wantCode(t, "with no room", err, mainstem.Overloaded)
	for i := 0; i < 60 && err != nil; i++ {
		w.clock.Advance(time.Hour)
		_, err = w.send("g", "second", put("k", "2"))
	}
	if err != nil {
		t.Errorf("two and a half days later: %v", err)
	}
	w.wantValue("g", "k", "2")
	w.close()
}

// TestGivingUp: what has not been begun is cancelled and never commits; what
// is under way is undecided, and a repetition tells.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		release := w.hang()
		commit := func(ctx context.Context, id string, size int) <-chan error {
			c := make(chan error, 1)
			go func() {
				_, err := w.db.Backend().Commit(ctx, &mainstem.Transaction{
					Group: "g", ID: mainstem.ID{Opaque: id}, Operations: []mainstem.Operation{put(id, strings.Repeat("x", size))},
				})
				c <- err
			}()
			synctest.Wait()
			return c
		}
		ctx, cancel := context.WithCancel(t.Context())
		flying := commit(ctx, "flying", 1)
		judged := commit(ctx, "judged", 1)
		var filling []<-chan error
		for i := range 16 { // fills the record that is judged next
			filling = append(filling, commit(t.Context(), fmt.Sprint("filling-", i), 256<<10))
		}
		waiting := commit(ctx, "waiting", 256<<10)
		cancel()
		wantCode(t, "in flight", <-flying, mainstem.Undecided)
		wantCode(t, "judged", <-judged, mainstem.Undecided)
		wantCode(t, "waiting", <-waiting, mainstem.Cancelled)
		wantCode(t, "with a context that has ended", <-commit(ctx, "late", 1), mainstem.Cancelled)
		release()
		for _, c := range filling {
			if err := <-c; err != nil {
				t.Errorf("filling: %v", err)
			}
		}
		w.wantValue("g", "flying", "x")
		w.wantValue("g", "judged", "x")
		w.wantValue("g", "waiting", "-")
		w.wantValue("g", "late", "-")
		if r := w.must("g", "flying", put("flying", "again")); !r.Replayed {
			t.Error("an undecided transaction that committed ran again (L5)")
		}
		w.close()
	})
}

// TestCloseAnswersEverybody: whoever waits when the database closes is told,
// and told the truth.
func TestCloseAnswersEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		release := w.hang()
		flying := w.later("g", "flying", put("flying", "x"))
		synctest.Wait()
		judged := w.later("g", "judged", put("judged", "x"))
		synctest.Wait()
		var waiting []<-chan answer // more than the record that is judged next holds
		for i := range 20 {
			waiting = append(waiting, w.later("g", fmt.Sprint("waiting-", i), put("waiting", strings.Repeat("x", 256<<10))))
			synctest.Wait() // the loop takes what fits before the queue is full
		}
		closed := make(chan error, 1)
		go func() { closed <- w.db.Close() }()
		synctest.Wait()
		wantCode(t, "judged, not sent", (<-judged).err, mainstem.Stopped)
		for _, c := range waiting {
			wantCode(t, "waiting", (<-c).err, mainstem.Stopped)
		}
		release()
		if a := <-flying; a.err != nil {
			t.Errorf("in flight when the database closed: %v", a.err)
		}
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
		_, err := w.send("g", "late", put("late", "x"))
		wantCode(t, "after the close", err, mainstem.Stopped)
		_, err = w.db.Get(t.Context(), "g", "k", mainstem.Latest())
		wantCode(t, "a read after the close", err, mainstem.Stopped)
		if err := w.db.Close(); err != nil {
			t.Errorf("a second close: %v", err)
		}
		<-w.db.Done()
		w.open()
		w.wantValue("g", "flying", "x")
		w.wantValue("g", "judged", "-")
		w.wantValue("g", "waiting", "-")
		w.close()
	})
}
