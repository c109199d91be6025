package node_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// bubbleClock is a node's clock that follows the time of the bubble.
type bubbleClock struct {
	began time.Time
	asked *atomic.Int64
}

func (c bubbleClock) Boot() ([16]byte, time.Duration) {
	c.asked.Add(1)
	return [16]byte{1}, time.Since(c.began)
}

func (c bubbleClock) Wall() time.Time { return time.Now() }

func newBubbleClock() bubbleClock { return bubbleClock{began: time.Now(), asked: new(atomic.Int64)} }

// expiries counts the keys that the feed says have expired.
func (w *world) expiries() (n int) {
	for batch, err := range w.db.Changes(w.t.Context(), mainstem.From{Drain: true, Match: mainstem.Match{Kinds: []mainstem.EffectKind{mainstem.EffectExpire}}}) {
		if err != nil {
			w.t.Fatal(err)
		}
		n += len(batch.Changes)
	}
	return n
}

// TestKeysLiveAtLeastTheirTTL: by the database's own clock a key is there
// until its TTL has passed, however much real time does; then it goes within a
// second, by a change in the feed, also when nobody calls (L6).
func TestKeysLiveAtLeastTheirTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.must("g", "put", mainstem.Put{Name: "k", Value: mainstem.Int(1), TTL: 10 * time.Second}, put("other", "x"))
		time.Sleep(time.Hour) // real time alone ends nothing
		w.clock.Advance(10*time.Second - 1)
		time.Sleep(2 * time.Second)
		w.wantValue("g", "k", "1")
		w.clock.Jump(1000 * time.Hour) // nor does the wall clock
		time.Sleep(2 * time.Second)
		w.wantValue("g", "k", "1")
		w.clock.Advance(1)
		time.Sleep(time.Second + time.Millisecond)
		w.wantValue("g", "k", "-")
		w.wantValue("g", "other", "x")
		if n := w.expiries(); n != 1 {
			t.Errorf("the feed shows %d expiries, want 1", n)
		}
		w.close()
		w.open()
		w.wantValue("g", "k", "-")
		w.close()
	})
}

// TestManyKeysExpireInTime: more keys than one record expires, on an idle
// database, all within a second or so.
func TestManyKeysExpireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.OnClock(newBubbleClock()))
		const keys = 3000
		var ops []any
		for i := range keys {
			ops = append(ops, mainstem.Put{Name: fmt.Sprint("k", i), Value: mainstem.Int(1), TTL: 10 * time.Second})
		}
		w.must("g", "put", ops...)
		time.Sleep(11*time.Second + 100*time.Millisecond)
		if n := w.expiries(); n != keys {
			t.Errorf("%d of %d keys have expired", n, keys)
		}
		w.close()
	})
}

// TestOutlivedExpiriesDoNotBlockOthers: hundreds of keys that were deleted, or
// made permanent, before their TTL leave expiries behind that come first. They
// must neither hold up those after them nor keep an idle database busy.
func TestOutlivedExpiriesDoNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newBubbleClock()
		w := start(t, embedded.OnClock(clock))
		const outlived = 1000
		var puts, deletes []any
		for i := range outlived {
			name := fmt.Sprint("k", i)
			puts = append(puts, mainstem.Put{Name: name, Value: mainstem.Int(1), TTL: 5 * time.Second})
			if i%2 == 0 {
				deletes = append(deletes, mainstem.Delete{Name: name})
			} else {
				deletes = append(deletes, put(name, "for good"))
			}
		}
		w.must("g", "puts", puts...)
		w.must("g", "deletes", deletes...)
		w.must("g", "last", mainstem.Put{Name: "last", Value: mainstem.Int(1), TTL: 6 * time.Second})
		time.Sleep(8 * time.Second)
		w.wantValue("g", "last", "-")
		w.wantValue("g", "k1", "for good")
		before := clock.asked.Load()
		time.Sleep(time.Minute)
		if asked := clock.asked.Load() - before; asked > 300 {
			t.Errorf("an idle database looked at its clock %d times in a minute", asked)
		}
		w.close()
	})
}

// TestAFullDiskIsNotHammered: with the disk full, a key that is due is tried
// now and then, not as fast as the machine can, and goes when there is room.
func TestAFullDiskIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := newBubbleClock()
		w := start(t, embedded.OnClock(clock))
		w.must("g", "put", mainstem.Put{Name: "k", Value: mainstem.Int(1), TTL: time.Second})
		fill := make([]any, 0, 2)
		for i := range 2 {
			fill = append(fill, put(fmt.Sprint("fill", i), string(make([]byte, 250<<10))))
		}
		w.faults.Inject(disk.Fault{Kind: disk.OpWrite | disk.OpCreate, Path: "*.tmp", Err: disk.ErrFull, Stays: true})
		var err error
		for i := 0; err == nil && i < 100; i++ { // to the end of the segment
			_, err = w.send("h", fmt.Sprint("fill-", i), fill...)
		}
		wantCode(t, "a transaction on a full disk", err, mainstem.Unavailable)
		for _, size := range []int{3 << 10, 100, 0} { // and of the reserve
			err = nil
			for i := 0; err == nil && i < 5000; i++ {
				_, err = w.send("h", fmt.Sprint(size, "-", i), put("small", string(make([]byte, size))))
			}
			wantCode(t, "a small transaction on a full disk", err, mainstem.Unavailable)
		}
		before := clock.asked.Load()
		time.Sleep(time.Minute)
		if asked := clock.asked.Load() - before; asked > 1000 {
			t.Errorf("with the disk full the clock was asked %d times in a minute", asked)
		}
		synctest.Wait()
		w.wantValue("h", "fill0", string(make([]byte, 250<<10))) // reads go on
		w.faults.Heal()
		w.must("h", "more", fill...)
		time.Sleep(3 * time.Second)
		w.wantValue("g", "k", "-")
		w.close()
	})
}

// TestTimePassesInAnOpenRecord: a record is open while the one before it hangs
// on its way to the disk. What comes late into it is judged at its own time: a
// lease and a TTL run from there, never shorter, and a moment before it does
// not show it (L6).
func TestTimePassesInAnOpenRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		release := w.hang()
		flying := w.later("g", "flying", put("a", "1"))
		synctest.Wait()
		early := w.later("g", "early", put("b", "1"))
		synctest.Wait()
		w.clock.Advance(time.Hour)
		between := w.clock.Wall()
		w.clock.Advance(time.Hour)
		late := w.later("g", "late",
			mainstem.Acquire{Lease: "l", Owner: "one", TTL: time.Hour},
			mainstem.Put{Name: "c", Value: mainstem.Int(1), TTL: time.Hour})
		synctest.Wait()
		release()
		for what, c := range map[string]<-chan answer{"flying": flying, "early": early} {
			if a := <-c; a.err != nil {
				t.Fatalf("%s: %v", what, a.err)
			}
		}
		first := <-late
		if first.err != nil {
			t.Fatal(first.err)
		}
		w.close()
		w.open() // within the same boot: exactly the difference counts
		w.clock.Advance(time.Hour - 1)
		_, err := w.send("g", "too early", mainstem.Acquire{Lease: "l", Owner: "two", TTL: time.Hour})
		wantCode(t, "a second grant within the first one's time (L6)", err, mainstem.Held)
		w.wantValue("g", "c", "1")
		v, err := w.db.Get(t.Context(), "g", "c", mainstem.AsOfTime(between))
		if err != nil || v.Exists {
			t.Errorf("as of a time before it was sent, the key is %q, %v", v.Value, err)
		}
		if again := w.must("g", "late"); again.Age != first.receipt.Age || !again.Wall.Equal(first.receipt.Wall) {
			t.Errorf("the replay was at %s, %s, the first receipt at %s, %s", again.Age, again.Wall, first.receipt.Age, first.receipt.Wall)
		}
		w.clock.Advance(1)
		w.must("g", "in time", mainstem.Acquire{Lease: "l", Owner: "two", TTL: time.Hour})
		for batch, err := range w.db.Changes(t.Context(), mainstem.From{Drain: true}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range batch.Changes {
				if c.ID.Opaque == "late" && c.Age != first.receipt.Age {
					t.Errorf("the feed has it at %s, the receipt at %s", c.Age, first.receipt.Age)
				}
			}
		}
		w.close()
	})
}
