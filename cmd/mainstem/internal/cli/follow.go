package cli

import (
	"context"
	"time"

	"github.com/mainstemdb/mainstem"
)

// again is the pause before a feed that broke is asked for again, at first and at
// most.
const (
	againFirst = 50 * time.Millisecond
	againMost  = 2 * time.Second
)

// follow hands on a feed until interrupted, which is no error. Where it comes from
// a server, it goes on after the last batch when the server was away.
func (e *env) follow(db *mainstem.DB, from mainstem.From, returns bool, hand func(mainstem.Batch) error) error {
	for pause := againFirst; ; pause = min(2*pause, againMost) {
		broken, err := e.feed(db, &from, hand, func() { pause = againFirst })
		switch {
		case e.ctx.Err() != nil:
			return nil
		case !broken || !returns:
			return err
		}
		if pause == againFirst {
			e.notef("mainstem: the feed broke, and goes on by itself after its last change: %v", err)
		}
		if !e.sleep(pause) {
			return nil
		}
	}
}

// feed hands on a feed until it ends, and moves from along. It reports whether it
// broke, so that more may come later.
func (e *env) feed(db *mainstem.DB, from *mainstem.From, hand func(mainstem.Batch) error, heard func()) (broken bool, err error) {
	for batch, err := range db.Changes(e.ctx, *from) {
		if err != nil {
			code := mainstem.CodeOf(err)
			return code == mainstem.Unavailable || code == mainstem.Overloaded || code == mainstem.Stopped, err
		}
		heard()
		if err := hand(batch); err != nil {
			return false, err
		}
		from.After = batch.Token
	}
	return false, nil
}

// sleep waits, unless interrupted.
func (e *env) sleep(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(e.ctx, d)
	defer cancel()
	<-ctx.Done()
	return e.ctx.Err() == nil
}
