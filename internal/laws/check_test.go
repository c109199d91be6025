//go:build breaklaw

package laws

import (
	"context"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/check"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// rounds is how many histories are judged; a broken law shows within a few.
const rounds = 4

// listsAreSerializable judges what concurrent transactions over several
// streams saw.
func listsAreSerializable(w *world) error {
	for seed := range uint64(rounds) {
		txs := sim.Lists(context.Background(), w.db, seed, 6, 25, false)
		if found := check.Serializable(txs, true); found != nil {
			return fmt.Errorf("not serializable, seed %d: %v (L3)", seed, found[0])
		}
		if err := w.afresh(); err != nil {
			return err
		}
	}
	return nil
}

// afresh goes on with a new database: a history begins with nothing.
func (w *world) afresh() error {
	w.close()
	log, err := w.newLog()
	if err != nil {
		return err
	}
	return w.open(log, nil)
}

// linearizable judges what concurrent clients of a few keys saw.
func linearizable(cites string) func(w *world) error {
	return func(w *world) error {
		for seed := range uint64(rounds) {
			ops := sim.Keys(context.Background(), w.db, seed, 6, 40)
			if verdict, why := check.Linearizable(ops, 20*time.Second); verdict != check.Yes {
				return fmt.Errorf("linearizable: %s, seed %d: %s (%s)", verdict, seed, why, cites)
			}
			if err := w.afresh(); err != nil {
				return err
			}
		}
		return nil
	}
}

// stockIsNeverOversold sells two of a thing to five buyers.
func stockIsNeverOversold(w *world) error {
	if _, err := w.do("stock", mainstem.Add{Name: "stock", Delta: 2}); err != nil {
		return err
	}
	sold := 0
	for i := range 5 {
		_, err := w.do(fmt.Sprint("buy", i), mainstem.Add{Name: "stock", Delta: -1, Floor: new(int64)})
		if err == nil {
			sold++
		} else if failed := want("floor", "a purchase", err, mainstem.OutOfRange); failed != nil {
			return failed
		}
	}
	if sold != 2 {
		return fmt.Errorf("%d of 2 were sold, and %s are left: the floor did not hold (L3)", sold, w.value("stock"))
	}
	return nil
}

// compareAndSetSetsOnce lets two clients decide on the same version.
func compareAndSetSetsOnce(w *world) error {
	first, err := w.do("first", put("k", "first"))
	if err != nil {
		return err
	}
	set := func(id string) error {
		_, err := w.send(id, mainstem.Transaction{
			Conditions: []mainstem.Condition{mainstem.KeyUnchanged{Name: "k", Since: first.Position}},
			Operations: []mainstem.Operation{put("k", id)},
		})
		return err
	}
	if err := set("one"); err != nil {
		return err
	}
	return want("version", "the second compare-and-set on one version", set("two"), mainstem.Conflict)
}

// nothingLeavesEarly holds an append back, and asks for what can be judged on
// it; then the append fails, and nothing that was told may have been wrong.
func nothingLeavesEarly(w *world) error {
	release := w.hands.holdAppends(journal.ErrUnknown)
	type answer struct {
		what    string
		receipt *mainstem.Receipt
		err     error
	}
	answers := make(chan answer, 3)
	ask := func(what, id string, t mainstem.Transaction) {
		go func() {
			r, err := w.send(id, t)
			answers <- answer{what, r, err}
		}()
		synctest.Wait()
	}
	ask("a receipt", "own", mainstem.Transaction{Operations: []mainstem.Operation{put("k", "v")}})
	ask("a rejection", "other", mainstem.Transaction{Conditions: []mainstem.Condition{mainstem.KeyAbsent{Name: "k"}}})
	ask("a replay", "own", mainstem.Transaction{Operations: []mainstem.Operation{put("k", "v")}})
	seen := w.value("k")
	var early error
	select {
	case a := <-answers:
		early = fmt.Errorf("%s was given before the record it was judged on is durable: %v, %w (L4)", a.what, a.receipt, orNil(a.err))
	default:
		if seen != "" {
			early = fmt.Errorf("a read showed %q before it was durable (L4)", seen)
		}
	}
	release()
	synctest.Wait()
	return early
}

// retriesCommitOnce repeats a transaction, at once and after a restart.
func retriesCommitOnce(w *world) error {
	add := mainstem.Add{Name: "n", Delta: 1}
	first, err := w.do("once", add)
	if err != nil {
		return err
	}
	for range 2 {
		again, err := w.do("once", add)
		if err != nil {
			return err
		}
		if !again.Replayed || again.Position != first.Position || w.value("n") != "1" {
			return fmt.Errorf("an ID committed again: first at %s, then at %s, n = %s (L5)", first.Position, again.Position, w.value("n"))
		}
		if err := w.reopen(nil); err != nil {
			return err
		}
	}
	return nil
}

// jumpsForgetNothing moves the wall clock by ten years, while the database
// runs and over a reboot: an ID and a lease minutes old must outlast it.
func jumpsForgetNothing(w *world) error {
	const years = 10 * 365 * 24 * time.Hour
	if _, err := w.do("young", mainstem.Add{Name: "n", Delta: 1}, mainstem.Acquire{Lease: "l", Owner: "o", TTL: 12 * time.Hour}); err != nil {
		return err
	}
	for _, jump := range []func(){
		func() { w.clock.Jump(years) }, func() { w.clock.Jump(-2 * years) }, func() { w.clock.Reboot(3 * years) },
	} {
		jump()
		if err := w.reopen(nil); err != nil {
			return err
		}
		again, err := w.do("young", mainstem.Add{Name: "n", Delta: 1})
		if err != nil {
			return err
		}
		if !again.Replayed {
			return fmt.Errorf("an ID minutes old was forgotten after the wall clock jumped; n = %s (L6)", w.value("n"))
		}
		_, err = w.do(fmt.Sprint("thief", w.opened, w.clock.Wall().Unix()), mainstem.Acquire{Lease: "l", Owner: "thief", TTL: time.Hour})
		if failed := want("L6", "acquiring a lease that is held for hours, after a jump", err, mainstem.Held); failed != nil {
			return failed
		}
	}
	return nil
}

// staleTokensAreFenced lets a lease pass on, and its first holder write.
func staleTokensAreFenced(w *world) error {
	first, err := w.do("a", mainstem.Acquire{Lease: "l", Owner: "a", TTL: time.Second})
	if err != nil {
		return err
	}
	w.clock.Advance(2 * time.Second)
	if _, err := w.do("b", mainstem.Acquire{Lease: "l", Owner: "b", TTL: time.Second}); err != nil {
		return err
	}
	_, err = w.send("late", mainstem.Transaction{
		Conditions: []mainstem.Condition{mainstem.LeaseHeld{Lease: "l", Token: first.Results[0].Token}},
		Operations: []mainstem.Operation{put("k", "stale")},
	})
	return want("L7", "a write under a token that was granted away", err, mainstem.Fenced)
}

// foreignTokensOnlyRise presents a lower token of a lease elsewhere.
func foreignTokensOnlyRise(w *world) error {
	if _, err := w.do("34", mainstem.Present{Lease: "l", Token: 34}); err != nil {
		return err
	}
	_, err := w.do("33", mainstem.Present{Lease: "l", Token: 33})
	return want("L7", "presenting a lower token", err, mainstem.Fenced)
}

// thePastIsThePast reads as of a position.
func thePastIsThePast(w *world) error {
	old, err := w.do("old", put("k", "old"))
	if err != nil {
		return err
	}
	if _, err := w.do("new", put("k", "new")); err != nil {
		return err
	}
	v, err := w.db.Get(context.Background(), "g", "k", mainstem.AsOf(old.Position))
	if err != nil {
		return err
	}
	if v.Value.String() != "old" {
		return fmt.Errorf("as of position %s the key is %q; it was \"old\" (L8)", old.Position, v.Value)
	}
	return nil
}

// tokensAreHonoured asks for at least what this database has not seen.
func tokensAreHonoured(w *world) error {
	r, err := w.do("t", put("k", "v"))
	if err != nil {
		return err
	}
	mark := r.Token.Marks()[0]
	mark.Position += 5
	_, err = w.db.Get(context.Background(), "g", "k", mainstem.AtLeast(mainstem.NewToken(mark)))
	return want("L8", "a read at least at what is not there", err, mainstem.HistoryLost)
}

// queuesAreBounded holds appends back and sends more than memory allows.
func queuesAreBounded(w *world) error {
	release := w.hands.holdAppends(nil)
	const sent = 100
	errs := make(chan error, sent)
	for i := range sent {
		go func() {
			_, err := w.do(fmt.Sprint("t", i), put("k", string(make([]byte, 200<<10))))
			errs <- err
		}()
	}
	synctest.Wait()
	refused := len(errs)
	release()
	for i := range sent {
		if err := <-errs; err != nil {
			if failed := want("L10", "a transaction under load", err, mainstem.Overloaded); failed != nil {
				return failed
			}
		} else if i < refused {
			return fmt.Errorf("a transaction was answered while appends were held back (L4)")
		}
	}
	if refused == 0 {
		return fmt.Errorf("%d MiB of transactions waited with %d MiB of memory, and none was refused (L10)", sent*200/1024, node.MinMemory>>20)
	}
	return nil
}

// refusedStaysRefused sends a late copy of an attempt that was refused.
func refusedStaysRefused(w *world) error {
	buy := mainstem.Transaction{Networked: true, Attempt: 1, Operations: []mainstem.Operation{
		mainstem.Add{Name: "stock", Delta: -1, Floor: new(int64)},
	}}
	_, err := w.send("buy", buy)
	if failed := want("L11", "a purchase without stock", err, mainstem.OutOfRange); failed != nil {
		return failed
	}
	if _, err := w.do("restock", mainstem.Add{Name: "stock", Delta: 1}); err != nil {
		return err
	}
	_, err = w.send("buy", buy)
	return want("L11", "a late copy of a refused attempt", err, mainstem.Cancelled)
}

// deadlinesHold sends a request that arrives after its deadline.
func deadlinesHold(w *world) error {
	w.clock.Advance(10 * time.Second)
	_, err := w.send("late", mainstem.Transaction{Deadline: mainstem.LogAge(5 * time.Second), Operations: []mainstem.Operation{put("k", "late")}})
	return want("L11", "a request after its deadline", err, mainstem.TooOld)
}
