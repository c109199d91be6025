package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/sim"
)

// seen is one change as a follower notes it.
func seen(c mainstem.Change) string {
	return fmt.Sprint(c.Partition, "/", c.Position, "/", c.Group, "/", c.ID)
}

// drain reads the feed from a token to its head, in one go.
func (w *world) drain(from mainstem.From) (all []string, last mainstem.Token, err error) {
	from.Drain = true
	last = from.After
	for batch, err := range w.db.Changes(w.t.Context(), from) {
		if err != nil {
			return all, last, err
		}
		for _, c := range batch.Changes {
			all = append(all, seen(c))
		}
		last = batch.Token
	}
	return all, last, nil
}

// TestResumingMissesNothingAndRepeatsNothing: whatever the batch size, the
// filter, and where the reader was interrupted (within a record too), reading
// on from the last token gives every change of every partition once, in order.
func TestResumingMissesNothingAndRepeatsNothing(t *testing.T) {
	for _, partitions := range []int{1, 5} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			w := start(t, embedded.Partitions(partitions), embedded.Memory(64<<20))
			defer w.close()
			var sent []<-chan answer
			const count = 400
			for i := range count {
				sent = append(sent, w.later(fmt.Sprint("g", i%17), fmt.Sprint("t", i), put("k", fmt.Sprint(i))))
			}
			for _, c := range sent {
				if a := <-c; a.err != nil {
					t.Fatal(a.err)
				}
			}
			if all, _, err := w.drain(mainstem.From{}); err != nil || len(all) != count {
				t.Fatalf("the whole feed has %d changes of %d: %v", len(all), count, err)
			}
			sim.Rounds(t, 60, func(t *testing.T, seed uint64) { w.resume(t, sim.Rand(seed)) })
		})
	}
}

// resume reads with interruptions, and compares with one reading.
func (w *world) resume(t *testing.T, r *rand.Rand) {
	from := mainstem.From{Max: r.IntN(7)}
	if r.IntN(2) == 0 {
		from.Match.GroupPrefix = "g1"
	}
	want, _, err := w.drain(from)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for interrupted := true; interrupted; {
		interrupted = false
		from.Drain = true
		text := from.After.String() // tokens travel as text
		if from.After, err = mainstem.ParseToken(text); err != nil {
			t.Fatal(err)
		}
		for batch, err := range w.db.Changes(t.Context(), from) {
			if err != nil {
				t.Fatal(err)
			}
			if len(batch.Changes) == 0 || from.Max > 0 && len(batch.Changes) > from.Max {
				t.Fatalf("a batch of %d changes; the most is %d", len(batch.Changes), from.Max)
			}
			for _, c := range batch.Changes {
				got = append(got, seen(c))
			}
			from.After = batch.Token
			if interrupted = r.IntN(3) == 0; interrupted {
				break
			}
		}
	}
	if a, b := byPartition(got), byPartition(want); a != b {
		t.Errorf("with interruptions:\n%s\nin one go:\n%s", a, b)
	}
}

// byPartition puts changes in the one order that counts: each partition's own.
func byPartition(changes []string) string {
	parts := map[string][]string{}
	for _, c := range changes {
		part, _, _ := strings.Cut(c, "/")
		parts[part] = append(parts[part], c)
	}
	return fmt.Sprint(parts)
}

// TestASlowFollowerSlowsNobody: one that takes a batch and then nothing holds
// up neither writers nor memory; when the log was trimmed past it, it is told
// so, and a new one begins at the oldest change kept.
func TestASlowFollowerSlowsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.Retain(0), embedded.History("", "", 24*time.Hour))
		w.db, w.opts = inMemory(t, w), nil
		value := strings.Repeat("x", 100<<10)
		write := func(from, to int) {
			for i := from; i < to; i++ {
				w.must("g", fmt.Sprint("t", i), put("k", value))
				w.clock.Advance(time.Second)
			}
		}
		write(0, 10)
		ctx, cancel := context.WithCancel(t.Context())
		resume, ended := make(chan struct{}), make(chan error, 1)
		begun := make(chan struct{})
		go func() {
			n := 0
			for batch, err := range w.db.Changes(ctx, mainstem.From{}) {
				if err != nil {
					ended <- err
					return
				}
				if n += len(batch.Changes); n == len(batch.Changes) {
					close(begun)
					<-resume
				}
			}
			ended <- nil
		}()
		<-begun
		write(10, 60) // far more than the ring holds
		for range 2 {
			if err := w.db.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(int(w.last())+100, int(w.last())+101)
		}
		if err := w.db.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(resume)
		wantCode(t, "a follower that the log was trimmed past", <-ended, mainstem.Trimmed)
		cancel()
		all, _, err := w.drain(mainstem.From{})
		if err != nil || len(all) == 0 || len(all) > 5 {
			t.Errorf("a new follower sees %d changes, %v; want the few that are kept", len(all), err)
		}
		w.close()
	})
}

// inMemory replaces the database by one on the memory engine, whose log trims
// record by record.
func inMemory(t *testing.T, w *world) *embedded.DB {
	t.Helper()
	w.close()
	db, err := embedded.InMemory(t.Context(), append(w.opts, embedded.OnDisk(disk.NewMem()))...)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// last is the newest position of group g's partition.
func (w *world) last() mainstem.Position {
	v, err := w.db.Group("g").View(context.Background(), mainstem.Latest())
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	return v.Stamp().Position
}

// TestAFeedEndsWithItsDatabase: a follower that waits is told when the
// database closes, and when its partition stops.
func TestAFeedEndsWithItsDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.must("g", "t", put("k", "v"))
		ended := make(chan error, 1)
		go func() {
			for _, err := range w.db.Changes(context.Background(), mainstem.From{}) {
				if err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		time.Sleep(time.Second)
		w.close()
		wantCode(t, "a follower of a database that closes", <-ended, mainstem.Stopped)
	})
}

// TestADrainThatIsCutShortSaysSo: what is shown of a feed before its head must
// not be taken for all there is.
func TestADrainThatIsCutShortSaysSo(t *testing.T) {
	w := start(t)
	defer w.close()
	for i := range 5 {
		w.must("g", fmt.Sprint(i), put("k", fmt.Sprint(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shown := 0
	var last error
	for batch, err := range w.db.Changes(ctx, mainstem.From{Drain: true, Max: 1}) {
		if last = err; err == nil {
			shown += len(batch.Changes)
		}
		cancel()
	}
	if shown == 5 {
		t.Fatal("all was shown before the context could end: the test proves nothing")
	}
	wantCode(t, "the end of a drain whose context ended", last, mainstem.Cancelled)
}
