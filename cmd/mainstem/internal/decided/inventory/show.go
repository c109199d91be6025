package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *pg.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *pg.DB, io.Writer) error{repeated, competing, logged, evolved, copied, followed} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	return nil
}

// repeated sends one request twice, as a client does whose answer was lost.
func repeated(ctx context.Context, db *pg.DB, out io.Writer) error {
	if err := Stock(ctx, db, "repeated", 2); err != nil {
		return err
	}
	first, err := Reserve(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Reserve(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || string(again.Body) != string(first.Body) {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "reserve", "came twice under one ID, was done once, and got the first answer again")
	return err
}

// competing lets eight decide at the same time where three pieces are left.
func competing(ctx context.Context, db *pg.DB, out io.Writer) error {
	if err := Stock(ctx, db, "competing", 3); err != nil {
		return err
	}
	type outcome struct {
		given bool
		err   error
	}
	outcomes := make(chan outcome)
	for i := range 8 {
		go func() {
			reply, err := Reserve(ctx, db, "competing", fmt.Sprint("request-", i))
			outcomes <- outcome{err == nil && !reply.Refused, err}
		}()
	}
	given, err := 0, error(nil)
	for range 8 {
		o := <-outcomes
		err = errors.Join(err, o.err)
		if o.given {
			given++
		}
	}
	if err == nil && given != 3 {
		err = fmt.Errorf("split-hot-key: %d were given, and there were 3", given)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "split-hot-key: of eight that called", "reserve", "at once three were given one, and five were refused")
	return err
}

// logged rolls back one change and commits another: the event is there with its change, or not at all.
func logged(ctx context.Context, db *pg.DB, out io.Writer) error {
	fails := errors.New("rolled back on purpose")
	err := pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		if err := pg.Append(ctx, db.In(tx), "logged", mainstem.Event{Type: "never.v1"}); err != nil {
			return err
		}
		return fails
	})
	if !errors.Is(err, fails) {
		return err
	}
	if err := Stock(ctx, db, "logged", 1); err != nil {
		return err
	}
	if _, err := Reserve(ctx, db, "logged", "request-1"); err != nil {
		return err
	}
	found := 0
	err = relaying(ctx, db, func(ctx context.Context, relay *pg.Relay, stop func()) error {
		return relay.Consume(ctx, pg.Consumer{Name: "logged", Deliver: func(_ context.Context, events []pg.Event) error {
			for _, recorded := range events {
				e, err := registry.Decode(recorded.Event)
				if err != nil {
					return err // of the change that was rolled back, for example
				}
				if e.About() == "logged" {
					found++
					stop()
				}
			}
			return nil
		}})
	})
	if err != nil {
		return err
	}
	if found != 1 {
		return fmt.Errorf("one-log: %d events of one change were handed on", found)
	}
	_, err = fmt.Fprintln(out, "one-log: an event was handed on with its change, and none of the change that was rolled back")
	return err
}

// copied asks the server whether a second copy confirms before a commit is answered.
func copied(ctx context.Context, db *pg.DB, out io.Writer) error {
	var standbys, commit string
	err := db.Pool.QueryRow(ctx, "SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit')").Scan(&standbys, &commit)
	if err != nil {
		return err
	}
	findings, err := db.Check(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Code != 0 && f.Code != mainstem.Weak {
			return fmt.Errorf("synchronous-copy: %s: %s", f.What, f.Detail)
		}
	}
	says := "this server answers a commit when a standby has it"
	if standbys == "" || commit == "off" || commit == "local" {
		says = "NOT on this server: no standby has to confirm, so a commit can be lost with it; pg.DB.Check tells"
	}
	_, err = fmt.Fprintln(out, "synchronous-copy:", says)
	return err
}

// evolved reads an event that was written under the name that its type had before, and refuses one that nobody knows.
func evolved(_ context.Context, _ *pg.DB, out io.Writer) error {
	old := mainstem.Event{Type: "item.reserved", Data: []byte(`{"request":"request-1","since":"version 2"}`)}
	e, err := registry.Decode(old)
	if err != nil {
		return err
	}
	if e, ok := e.(ItemReserved); !ok || e.By() != "request-1" {
		return fmt.Errorf("evolve-schema: an old event was read as %+v", e)
	}
	if e, err := registry.Decode(mainstem.Event{Type: "nobody.knows.v1"}); err == nil {
		return fmt.Errorf("evolve-schema: an event that nobody knows was read as %+v", e)
	}
	_, err = fmt.Fprintln(out, "evolve-schema: an event of an older name and with a newer field was read, one of an unknown name was refused")
	return err
}
