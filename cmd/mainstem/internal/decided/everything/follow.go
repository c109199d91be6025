package everything

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mainstemdb/mainstem"
)

// followed stops the follower of each view, starts it again, and looks whether everything was counted once.
func followed(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	for _, view := range []string{"totals", "totals-derived-2", "derived-3"} {
		of := "followed " + view
		if err := Stock(ctx, db, of, 10); err != nil {
			return err
		}
		for i, want := range []int64{2, 3} {
			for n := range want {
				if _, err := Take(ctx, db, of, fmt.Sprint("request-", n)); err != nil {
					return err
				}
			}
			if err := until(ctx, db, view, "shelf/"+of, of, want); err != nil {
				return fmt.Errorf("start %d of %s: %w", i+1, view, err)
			}
		}
		if _, err := fmt.Fprintln(out, "cqrs, derived-may-lag, checkpoint-with-effect, log-broker, one-log:", view, "was filled by a follower that was stopped and started: three changes, counted once each"); err != nil {
			return err
		}
	}
	return nil
}

// until runs a follower until its view has counted enough.
func until(ctx context.Context, db *mainstem.DB, view, group, of string, want int64) error {
	following, stop := context.WithCancel(ctx)
	defer stop()
	err := Fill(following, db, view, mainstem.Around(func(ctx context.Context, _ []mainstem.Change) (context.Context, func(error)) {
		return ctx, func(error) {
			if n, err := Filled(context.WithoutCancel(ctx), db, view, group, of); err != nil || n >= want {
				stop()
			}
		}
	}))
	if !errors.Is(err, context.Canceled) {
		return err
	}
	n, err := Filled(ctx, db, view, group, of)
	if err == nil && n != want {
		err = fmt.Errorf("%d were counted, and there are %d", n, want)
	}
	return err
}
