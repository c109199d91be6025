package pg_test

import (
	"context"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestDiscardedWhileGivenAgain: somebody drops a parked event while it is given once
// more, and that fails. It was parked anew.
func TestDiscardedWhileGivenAgain(t *testing.T) {
	db := open(t)
	r := relaying(t, db, false)
	given, goOn := make(chan bool), make(chan bool)
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Attempts: 1, Deliver: func(ctx context.Context, events []pg.Event) error {
			if events[0].Stream == "b" {
				return nil
			}
			for _, c := range []chan bool{given, goOn} {
				select {
				case c <- true:
				case <-ctx.Done():
				}
			}
			return mainstem.Errorf(mainstem.Invalid, "never")
		}})
	})
	put(t, db, "a1")
	for range 2 { // as a batch, and alone
		<-given
		<-goOn
	}
	eventually(t, "it is parked", func() bool { return number(t, db, "SELECT count(*) FROM $S.parked") == 1 })
	_, err := db.Retry(t.Context(), "c", "a")
	wantCode(t, err, 0)
	<-given
	wantCode(t, db.Discard(t.Context(), "c", "a", 1), 0)
	<-goOn
	put(t, db, "b2") // taken after that
	eventually(t, "the consumer has gone on", func() bool { return cursorAt(t, db, "c") == 2 })
	if n := number(t, db, "SELECT count(*) FROM $S.parked"); n != 0 {
		t.Errorf("%d events are parked, after the only one was dropped", n)
	}
}
