package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mainstemdb/mainstem/pg"
)

// relaying numbers committed events while fn works, until fn calls stop.
func relaying(ctx context.Context, db *pg.DB, fn func(ctx context.Context, relay *pg.Relay, stop func()) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	relay := &pg.Relay{DB: db, Listen: db.Pool.Config().ConnConfig}
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	err := fn(ctx, relay, stop)
	stop()
	if relayed := <-ended; !errors.Is(relayed, context.Canceled) {
		err = errors.Join(err, relayed)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// followed stops the consumer of each view, starts it again, and looks whether everything was counted once.
func followed(ctx context.Context, db *pg.DB, out io.Writer) error {
	for _, view := range []string{"index"} {
		of := "followed " + view
		for i, want := range []int64{2, 3} {
			for n := range want {
				if _, err := ChangeProduct(ctx, db, of, fmt.Sprint("request-", n)); err != nil {
					return err
				}
			}
			n, err := counted(ctx, db, view, of, want)
			if err == nil && n != want {
				err = fmt.Errorf("%d were counted, and there are %d", n, want)
			}
			if err != nil {
				return fmt.Errorf("start %d of %s: %w", i+1, view, err)
			}
		}
		if _, err := fmt.Fprintln(out, "cqrs, derived-may-lag, log-broker, one-log:", view, "was filled by a consumer that was stopped and started: three changes, counted once each"); err != nil {
			return err
		}
	}
	return nil
}

// counted runs the consumer of a view until it has counted enough.
func counted(ctx context.Context, db *pg.DB, view, of string, want int64) (n int64, err error) {
	look := func(ctx context.Context) error {
		return db.Pool.QueryRow(ctx, "SELECT coalesce(max(events), 0) FROM view_count WHERE view = $1 AND about = $2", view, of).Scan(&n)
	}
	err = relaying(ctx, db, func(ctx context.Context, relay *pg.Relay, stop func()) error {
		ended := make(chan error, 1)
		go func() { ended <- Fill(ctx, relay, view) }()
		every := time.NewTicker(10 * time.Millisecond)
		defer every.Stop()
		for n < want {
			select {
			case <-every.C:
			case err := <-ended:
				return err
			}
			if err := look(ctx); err != nil {
				stop()
				return errors.Join(err, <-ended)
			}
		}
		stop()
		return <-ended
	})
	if err == nil {
		err = look(ctx)
	}
	return n, err
}
