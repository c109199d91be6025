package node_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/node"
)

// speculation is one of everything that could be told too early: sent while
// the sync of the record that it was judged on hangs.
type speculation struct {
	own, conflict, replay, old, reads <-chan answer
	feed                              <-chan mainstem.Batch
}

func (w *world) speculate(ctx context.Context) *speculation {
	s := &speculation{own: w.later("g", "first", put("k", "new"))}
	synctest.Wait()
	s.conflict = w.later("g", "second", mainstem.KeyAbsent{Name: "k"}, put("other", "x"))
	s.replay = w.later("g", "first", put("k", "again"))
	s.old = w.later("g", "before", put("k", "again"))
	reads := make(chan answer, 1)
	go func() {
		v, err := w.db.Get(ctx, "g", "k", mainstem.Latest())
		if err == nil && v.Value.String() != "old" {
			err = fmt.Errorf("a read showed %q before it was durable (L4)", v.Value)
		}
		reads <- answer{err: err}
	}()
	feed := make(chan mainstem.Batch, 9)
	go func() {
		for batch, err := range w.db.Changes(ctx, mainstem.From{}) {
			if err == nil {
				feed <- batch
			}
		}
	}()
	s.reads, s.feed = reads, feed
	synctest.Wait()
	return s
}

// silent reports what was told while nothing could be known.
func (s *speculation) silent(t *testing.T) {
	t.Helper()
	for what, c := range map[string]<-chan answer{
		"a receipt": s.own, "a rejection": s.conflict, "a replayed receipt": s.replay, "an older receipt, judged at the same tail": s.old,
	} {
		select {
		case a := <-c:
			t.Errorf("%s was given before the record it was judged on is durable (L4): %+v, %v", what, a.receipt, a.err)
		default:
		}
	}
	if a := <-s.reads; a.err != nil {
		t.Error(a.err)
	}
	for {
		select {
		case batch := <-s.feed:
			if last := batch.Changes[len(batch.Changes)-1]; last.ID.Opaque == "first" {
				t.Errorf("the feed showed %s before it was durable (L4)", last.ID)
			}
			continue
		default:
		}
		break
	}
}

// TestNothingSpeculativeLeaves: while a sync hangs, no receipt, rejection,
// replay, read or feed tells of what waits for it; when it ends well they all
// tell the truth (L4).
func TestNothingSpeculativeLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := start(t)
		w.must("g", "before", put("k", "old"))
		release := w.hang()
		s := w.speculate(ctx)
		s.silent(t)
		release()
		own, replay, old := <-s.own, <-s.replay, <-s.old
		if own.err != nil || own.receipt.Position != 2 {
			t.Errorf("the transaction itself: %+v, %v", own.receipt, own.err)
		}
		wantCode(t, "the conflict", (<-s.conflict).err, mainstem.Exists)
		if replay.err != nil || !replay.receipt.Replayed || replay.receipt.Position != 2 {
			t.Errorf("the replay: %+v, %v", replay.receipt, replay.err)
		}
		if replay.err == nil && own.err == nil && replay.receipt.Token != own.receipt.Token {
			t.Errorf("the replay has token %s, the first receipt %s", replay.receipt.Token, own.receipt.Token)
		}
		if old.err != nil || !old.receipt.Replayed || old.receipt.Position != 1 {
			t.Errorf("the older replay: %+v, %v", old.receipt, old.err)
		}
		w.wantValue("g", "k", "new")
		cancel()
		w.close()
	})
}

// TestFewWhoWaitAreServed: while a record of many flies, a few who come do not make
// the loop look at them one by one; they are served all the same, with the next.
func TestFewWhoWaitAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		const many, few = 40, 3
		var told []<-chan answer
		send := func(n int) {
			for range n {
				told = append(told, w.later("g", fmt.Sprint(len(told)), mainstem.Add{Name: "n", Delta: 1}))
			}
			synctest.Wait()
		}
		began := time.Now()
		release := w.hang()
		send(1)
		send(many)
		next := w.hang()
		release()
		synctest.Wait()
		send(few)
		next()
		for i, c := range told {
			if a := <-c; a.err != nil {
				t.Errorf("transaction %d: %v", i, a.err)
			}
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("they waited for %s, until the loop looked by itself", waited)
		}
		w.wantValue("g", "n", fmt.Sprint(1+many+few))
		w.close()
	})
}

// TestAFailedSyncTakesItsAnswersWithIt: the sync fails instead. What was in
// the record is undecided, what was judged on it unavailable, and after the
// power cut none of it had happened (L4, RELIABILITY 1.2).
func TestAFailedSyncTakesItsAnswersWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := start(t)
		w.must("g", "before", put("k", "old"))
		hung := make(chan struct{})
		w.faults.Inject(disk.Fault{Kind: disk.OpSync, Hang: hung, Err: disk.ErrIO, Forget: true})
		s := w.speculate(ctx)
		s.silent(t)
		close(hung)
		wantCode(t, "the transaction itself", (<-s.own).err, mainstem.Undecided)
		wantCode(t, "the conflict", (<-s.conflict).err, mainstem.Unavailable)
		wantCode(t, "the replay", (<-s.replay).err, mainstem.Unavailable)
		wantCode(t, "the older replay", (<-s.old).err, mainstem.Unavailable)
		<-w.db.Done()
		wantCode(t, "Err", w.db.Err(), mainstem.Unavailable)
		_, err := w.send("g", "late", put("k", "late"))
		wantCode(t, "a transaction after the failure", err, mainstem.Stopped)
		w.end()

		after := w.crash()
		after.wantValue("g", "k", "old")
		if r := after.must("g", "first", put("k", "new")); r.Replayed {
			t.Error("a record whose sync failed and forgot it is there after a power cut")
		}
		after.close()
		cancel()

		// Without a power cut the same directory opens in the same process; what
		// the failed descriptor held is gone or there, but of one piece.
		w.faults.Heal()
		w.open()
		first := w.must("g", "first", put("k", "new"))
		w.wantValue("g", "k", "new")
		if again := w.must("g", "first", put("k", "new")); !again.Replayed || again.Position != first.Position {
			t.Errorf("repeated after reopening: %+v, first %+v", again, first)
		}
		w.close()
	})
}

// TestAnAnswerWaitsForWhatItWasJudgedOn: one record flies, the next is judged
// on top of it, and answers are judged on that. The landing of the first must
// not set them free (L4).
func TestAnAnswerWaitsForWhatItWasJudgedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		first, second := make(chan struct{}), make(chan struct{})
		w.faults.Inject(disk.Fault{Kind: disk.OpSync, Hang: first})
		w.faults.Inject(disk.Fault{Kind: disk.OpSync, Hang: second, Err: disk.ErrIO, Forget: true})
		flying := w.later("g", "flying", put("a", "1"))
		synctest.Wait()
		next := w.later("g", "next", put("b", "1"))
		synctest.Wait()
		told := map[string]<-chan answer{
			"a rejection": w.later("g", "rejected", mainstem.KeyAbsent{Name: "b"}),
			"a replay":    w.later("g", "next", put("b", "1")),
		}
		synctest.Wait()
		close(first)
		synctest.Wait()
		if a := <-flying; a.err != nil {
			t.Errorf("the first record landed, and its transaction ended with %v", a.err)
		}
		for what, c := range told {
			select {
			case a := <-c:
				t.Errorf("%s was given before the record it was judged on is durable (L4): %+v, %v", what, a.receipt, a.err)
				delete(told, what)
			default:
			}
		}
		close(second)
		wantCode(t, "the second record's transaction", (<-next).err, mainstem.Undecided)
		for what, c := range told {
			wantCode(t, what+" judged on a record that failed", (<-c).err, mainstem.Unavailable)
		}
		w.end()
		after := w.crash()
		after.wantValue("g", "a", "1")
		after.wantValue("g", "b", "-")
		after.close()
	})
}

// TestWhatWasJudgedOnAFailedRecordIsAnswered: a record finds no room on a full
// disk while the next one waits for it. Everything judged into that one is told
// that it is not there, for it was never sent; and the database goes on (L11).
func TestWhatWasJudgedOnAFailedRecordIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.SegmentSize(1<<20))
		half := []any{put("x", string(make([]byte, 240<<10))), put("y", string(make([]byte, 240<<10)))}
		w.must("g", "1", half...)
		w.must("g", "2", half...)
		full := make(chan struct{})
		w.faults.Inject(disk.Fault{Kind: disk.OpCreate, Path: "*.tmp", Hang: full, Err: disk.ErrFull, Stays: true})
		flying := w.later("g", "flying", append(half, put("a", "1"))...) // needs a new segment
		synctest.Wait()
		next := map[string]<-chan answer{"a transaction of its own": w.later("g", "next", put("b", "1"))}
		synctest.Wait()
		next["a rejection"] = w.later("g", "rejected", mainstem.KeyAbsent{Name: "b"})
		next["a replay"] = w.later("g", "next", put("b", "1"))
		synctest.Wait()
		close(full)
		wantCode(t, "the record without room", (<-flying).err, mainstem.Unavailable)
		synctest.Wait()
		for what, c := range next {
			select {
			case a := <-c:
				wantCode(t, what+" in the record after it", a.err, mainstem.Unavailable)
			default:
				t.Errorf("%s in the record after it is never answered (L11)", what)
			}
		}
		w.faults.Heal()
		w.must("g", "rejected", mainstem.KeyAbsent{Name: "a"}, mainstem.KeyAbsent{Name: "b"})
		w.close()
	})
}

// TestMoveOnAFullDisk: the record of a move that waits behind one without room is not
// forgotten: it is tried again by itself.
func TestMoveOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := newPlaces()
		places.add("log://to", 1, 1)
		w := start(t, embedded.Movable("a", node.Shared{Reach: places.reach("a")}))
		half := []any{put("x", string(make([]byte, 240<<10))), put("y", string(make([]byte, 240<<10)))}
		w.must("g", "1", half...)
		w.must("g", "2", half...)
		full, waits, flying := make(chan struct{}), make(chan struct{}), (<-chan answer)(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		moved := make(chan error, 1)
		go func() {
			once := false
			_, err := w.db.Move(ctx, "log://to", func(p node.MoveProgress) {
				if p.Step != node.MoveCommit || once {
					return
				}
				once = true
				w.faults.Inject(disk.Fault{Kind: disk.OpCreate | disk.OpWrite, Path: "*.tmp", Hang: full, Err: disk.ErrFull, Stays: true})
				flying = w.later("g", "flying", append(half, put("a", "1"))...) // needs a new segment
				synctest.Wait()
				close(waits)
			})
			moved <- err
		}()
		<-waits
		synctest.Wait() // the record of the move is next
		close(full)
		wantCode(t, "the record without room", (<-flying).err, mainstem.Unavailable)
		must(t, <-moved) // its record is small, and finds room
		w.faults.Heal()
		w.must("g", "after", put("a", "2"))
		w.close()
	})
}
