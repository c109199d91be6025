package sim

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"go.uber.org/goleak"
)

// TestSlowFollowerDoesNotSlowWriters: a reader of the feed that stands still
// holds up nobody. Cut off or not, it goes on after its token without a gap
// and without a repeat.
func TestSlowFollowerDoesNotSlowWriters(t *testing.T) {
	p := configurations[0].start(t)
	db, g := p.DB(), p.DB().Group("g")
	const n = 3000
	value := make([]byte, 1024)
	write := func(i int) {
		if _, err := g.Do(t.Context(), fmt.Sprint("w-", i), func(tx *mainstem.Txn) error {
			tx.Put("k", value)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	stuck, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var seen []string
	go func() {
		from := mainstem.From{}
		done <- follow(t.Context(), db, &from, n, func(c mainstem.Change) {
			if seen = append(seen, c.ID.Opaque); len(seen) == 1 {
				close(stuck)
				<-release
			}
		})
	}()
	<-stuck
	began := time.Now()
	for i := 1; i < n; i++ {
		write(i)
	}
	t.Logf("%d writes past a follower that stands still took %s", n, time.Since(began))
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, id := range seen {
		if id != fmt.Sprint("w-", i) {
			t.Fatalf("change %d is %s", i, id)
		}
	}
}

// follow reads n changes, and goes on from its token whenever it is cut off.
func follow(ctx context.Context, db *mainstem.DB, from *mainstem.From, n int, fn func(mainstem.Change)) error {
	for n > 0 {
		var cut error
		for batch, err := range db.Changes(ctx, *from) {
			if err != nil {
				cut = err
				break
			}
			for _, c := range batch.Changes {
				fn(c)
				n--
			}
			from.After = batch.Token
			if n <= 0 {
				return nil
			}
		}
		if code := mainstem.CodeOf(cut); cut == nil || !code.Retryable() {
			return errors.Join(errors.New("the feed ended"), cut)
		}
	}
	return nil
}

// TestNothingIsLeftRunning: after Close no goroutine of the database is left,
// whatever was under way.
func TestNothingIsLeftRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for _, c := range []configuration{configurations[0], configurations[3]} {
		t.Run(c.name, func(t *testing.T) {
			p := c.start(t)
			db := p.DB()
			Lists(t.Context(), db, 1, 4, 10, false)
			ended := make(chan error, 1)
			begun := make(chan struct{}, 1)
			go func() {
				for _, err := range db.Changes(context.Background(), mainstem.From{}) {
					select {
					case begun <- struct{}{}:
					default:
					}
					if err != nil {
						ended <- err
						return
					}
				}
				ended <- nil
			}()
			<-begun
			v, err := db.Group("g").View(t.Context(), mainstem.Latest())
			if err != nil {
				t.Fatal(err)
			}
			if err := p.db.Close(); err != nil {
				t.Errorf("close with a feed running and a view open: %v", err)
			}
			if err := <-ended; mainstem.CodeOf(err) != mainstem.Stopped {
				t.Errorf("the feed ended with %v, want stopped", err)
			}
			_ = v.Close() // closing late must not hang or panic
			if _, err := db.Get(t.Context(), "g", "k", mainstem.Latest()); mainstem.CodeOf(err) != mainstem.Stopped {
				t.Errorf("after Close a read is answered %v, want stopped", err)
			}
		})
	}
	goleak.VerifyNone(t, before)
}
