package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *pg.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *pg.DB, io.Writer) error{repeated, competing, skewed, sourced, evolved, copied, followed} {
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
	first, err := Book(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Book(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || string(again.Body) != string(first.Body) {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "book", "came twice under one ID, was done once, and got the first answer again")
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
			reply, err := Book(ctx, db, "competing", fmt.Sprint("request-", i))
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
	_, err = fmt.Fprintln(out, "split-hot-key: of eight that called", "book", "at once three were given one, and five were refused")
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

// sourced appends at a version that somebody else has passed.
func sourced(ctx context.Context, db *pg.DB, out io.Writer) error {
	appendAt := func(version int64) error {
		return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
			e, err := registry.Encode(AmountBooked{Of: "sourced", Request: "request-1"})
			if err != nil {
				return err
			}
			_, err = pg.AppendVersioned(ctx, db.In(tx), "sourced", version, e)
			return err
		})
	}
	if err := appendAt(0); err != nil {
		return err
	}
	if err := appendAt(0); mainstem.CodeOf(err) != mainstem.Conflict {
		return fmt.Errorf("event-sourcing: an event was appended at a version that had passed: %w", err)
	}
	_, err := fmt.Fprintln(out, "event-sourcing: an event that was decided on an old version of its stream was refused")
	return err
}

// evolved reads an event that was written under the name that its type had before, and refuses one that nobody knows.
func evolved(_ context.Context, _ *pg.DB, out io.Writer) error {
	old := mainstem.Event{Type: "amount.booked", Data: []byte(`{"request":"request-1","since":"version 2"}`)}
	e, err := registry.Decode(old)
	if err != nil {
		return err
	}
	if e, ok := e.(AmountBooked); !ok || e.By() != "request-1" {
		return fmt.Errorf("evolve-schema: an old event was read as %+v", e)
	}
	if e, err := registry.Decode(mainstem.Event{Type: "nobody.knows.v1"}); err == nil {
		return fmt.Errorf("evolve-schema: an event that nobody knows was read as %+v", e)
	}
	_, err = fmt.Fprintln(out, "evolve-schema: an event of an older name and with a newer field was read, one of an unknown name was refused")
	return err
}
