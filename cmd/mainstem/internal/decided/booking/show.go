package booking

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *pg.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *pg.DB, io.Writer) error{repeated, competing, skewed, fencedSeat, evolved, copied, followed} {
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
	first, err := Hold(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Hold(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || string(again.Body) != string(first.Body) {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "hold", "came twice under one ID, was done once, and got the first answer again")
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
			reply, err := Hold(ctx, db, "competing", fmt.Sprint("request-", i))
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
	_, err = fmt.Fprintln(out, "split-hot-key: of eight that called", "hold", "at once three were given one, and five were refused")
	return err
}

// skewed lets two go off call who have each seen that the other one stays. Read committed would let both.
func skewed(ctx context.Context, db *pg.DB, out io.Writer) error {
	if _, err := db.Pool.Exec(ctx, "INSERT INTO on_call VALUES ('ann', false), ('bob', false) ON CONFLICT DO NOTHING"); err != nil {
		return err
	}
	serializable := pgx.TxOptions{IsoLevel: pgx.Serializable}
	leave := func(who string, between func() error) error {
		return pgx.BeginTxFunc(ctx, db.Pool, serializable, func(tx pgx.Tx) error {
			staying := 0
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM on_call WHERE NOT gone").Scan(&staying); err != nil {
				return err
			}
			if err := between(); err != nil || staying < 2 {
				return err
			}
			_, err := tx.Exec(ctx, "UPDATE on_call SET gone = true WHERE who = $1", who)
			return err
		})
	}
	nothing := func() error { return nil }
	err := leave("ann", func() error { return leave("bob", nothing) })
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "40001" {
		return fmt.Errorf("serializable: the second decision was not aborted: %w", err)
	}
	if err := leave("ann", nothing); err != nil { // repeated, it sees that bob has gone
		return err
	}
	staying := 0
	if err := db.Pool.QueryRow(ctx, "SELECT count(*) FROM on_call WHERE NOT gone").Scan(&staying); err != nil {
		return err
	}
	if staying != 1 {
		return fmt.Errorf("serializable: %d are on call", staying)
	}
	_, err = fmt.Fprintln(out, "serializable: of two decisions that were each right alone the second was aborted, repeated, and decided otherwise")
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

// fencedSeat pauses a holder for longer than its lease, and lets it write afterwards.
func fencedSeat(ctx context.Context, db *pg.DB, out io.Writer) error {
	paused, err := db.Acquire(ctx, "seat", "the paused one", pg.MinTTL)
	if err != nil {
		return err
	}
	present, err := granted(ctx, db, "seat")
	if err != nil {
		return err
	}
	if err := WriteSeat(ctx, db, present.Token, "the present one"); err != nil {
		return err
	}
	if err := WriteSeat(ctx, db, paused.Token, "the paused one"); mainstem.CodeOf(err) != mainstem.Fenced {
		return fmt.Errorf("fencing: a holder that was paused could write: %w", err)
	}
	if err := db.Release(ctx, present); err != nil {
		return err
	}
	err = HoldSeat(ctx, db, func(ctx context.Context, token mainstem.FencingToken) error {
		return WriteSeat(ctx, db, token, "the next one")
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "fencing: the holder of", "seat", "that was paused beyond its lease was refused by its token")
	return err
}

// granted asks for a lease until it is free.
func granted(ctx context.Context, db *pg.DB, name string) (mainstem.Grant, error) {
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		grant, err := db.Acquire(ctx, name, "the present one", time.Minute)
		if mainstem.CodeOf(err) != mainstem.Held {
			return grant, err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return grant, ctx.Err()
		}
	}
}

// evolved reads an event that was written under the name that its type had before, and refuses one that nobody knows.
func evolved(_ context.Context, _ *pg.DB, out io.Writer) error {
	old := mainstem.Event{Type: "seat.held", Data: []byte(`{"request":"request-1","since":"version 2"}`)}
	e, err := registry.Decode(old)
	if err != nil {
		return err
	}
	if e, ok := e.(SeatHeld); !ok || e.By() != "request-1" {
		return fmt.Errorf("evolve-schema: an old event was read as %+v", e)
	}
	if e, err := registry.Decode(mainstem.Event{Type: "nobody.knows.v1"}); err == nil {
		return fmt.Errorf("evolve-schema: an event that nobody knows was read as %+v", e)
	}
	_, err = fmt.Fprintln(out, "evolve-schema: an event of an older name and with a newer field was read, one of an unknown name was refused")
	return err
}
