package sourcedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *pg.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *pg.DB, io.Writer) error{repeated, competing, skewed, logged, ownWrites, fencedPrinter, fencedPlotter, sourced, evolved, compensated, copied, followed} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	for _, what := range []string{
		"breaker-and-hedge: Circuit breaker and hedged requests. Use a library for it, as failsafe-go; Mainstem keeps the request ID that makes a hedge safe.",
		"causal: Causal consistency",
		"partition: Partitions with transactions inside one partition",
		"a group for take: it waits for operations[3].key",
		"how long the lease for plotter lives: it waits for resources[1].pause",
	} {
		if _, err := fmt.Fprintln(out, "not shown:", what); err != nil {
			return err
		}
	}
	return nil
}

// repeated sends one request twice, as a client does whose answer was lost.
func repeated(ctx context.Context, db *pg.DB, out io.Writer) error {
	first, err := Take(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Take(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || string(again.Body) != string(first.Body) {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "take", "came twice under one ID, was done once, and got the first answer again")
	return err
}

// competing lets eight decide at the same time where the rule allows three.
func competing(ctx context.Context, db *pg.DB, out io.Writer) error {
	type outcome struct {
		given bool
		err   error
	}
	outcomes := make(chan outcome)
	for i := range 8 {
		go func() {
			reply, err := Take(ctx, db, "competing", fmt.Sprint("request-", i))
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
		err = fmt.Errorf("event-sourcing: %d were given, and there were 3", given)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "event-sourcing: of eight that called", "take", "at once three were given one, and five were refused")
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
	if _, err := Take(ctx, db, "logged", "request-1"); err != nil {
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

// ownWrites reads what this user has just written, through a token that travels as text.
func ownWrites(ctx context.Context, db *pg.DB, out io.Writer) error {
	readers := &pg.Readers{DB: db} // name your replicas here
	writer, err := readers.Session("")
	if err != nil {
		return err
	}
	_, err = writer.Run(ctx, pg.Request{Key: pg.Key("session", "request-1"), Wait: time.Second}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		_, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS own_write (id int)")
		return nil, err
	})
	if err != nil {
		return err
	}
	reader, err := readers.Session(writer.Token())
	if err != nil {
		return err
	}
	there := false
	err = reader.Read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT to_regclass('own_write') IS NOT NULL").Scan(&there)
	})
	if err == nil && !there {
		err = errors.New("session: a user's own write was not there")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "session: a read with the token of one's own write goes only to a server that has it")
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

// fencedPrinter pauses a holder for longer than its lease, and lets it write afterwards.
func fencedPrinter(ctx context.Context, db *pg.DB, out io.Writer) error {
	paused, err := db.Acquire(ctx, "printer", "the paused one", pg.MinTTL)
	if err != nil {
		return err
	}
	present, err := granted(ctx, db, "printer")
	if err != nil {
		return err
	}
	if err := WritePrinter(ctx, db, present.Token, "the present one"); err != nil {
		return err
	}
	if err := WritePrinter(ctx, db, paused.Token, "the paused one"); mainstem.CodeOf(err) != mainstem.Fenced {
		return fmt.Errorf("fencing: a holder that was paused could write: %w", err)
	}
	if err := db.Release(ctx, present); err != nil {
		return err
	}
	err = HoldPrinter(ctx, db, func(ctx context.Context, token mainstem.FencingToken) error {
		return WritePrinter(ctx, db, token, "the next one")
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "fencing: the holder of", "printer", "that was paused beyond its lease was refused by its token")
	return err
}

// fencedPlotter pauses a holder for longer than its lease, and lets it write afterwards.
func fencedPlotter(ctx context.Context, db *pg.DB, out io.Writer) error {
	paused, err := db.Acquire(ctx, "plotter", "the paused one", pg.MinTTL)
	if err != nil {
		return err
	}
	present, err := granted(ctx, db, "plotter")
	if err != nil {
		return err
	}
	if err := WritePlotter(ctx, db, present.Token, "the present one"); err != nil {
		return err
	}
	if err := WritePlotter(ctx, db, paused.Token, "the paused one"); mainstem.CodeOf(err) != mainstem.Fenced {
		return fmt.Errorf("fencing: a holder that was paused could write: %w", err)
	}
	if err := db.Release(ctx, present); err != nil {
		return err
	}
	err = HoldPlotter(ctx, db, time.Minute, func(ctx context.Context, token mainstem.FencingToken) error {
		return WritePlotter(ctx, db, token, "the next one")
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "fencing: the holder of", "plotter", "that was paused beyond its lease was refused by its token")
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

// sourced appends at a version that somebody else has passed.
func sourced(ctx context.Context, db *pg.DB, out io.Writer) error {
	appendAt := func(version int64) error {
		return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
			e, err := registry.Encode(PieceTaken{Of: "sourced", Request: "request-1"})
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
	old := mainstem.Event{Type: "piece.taken", Data: []byte(`{"request":"request-1","since":"version 2"}`)}
	e, err := registry.Decode(old)
	if err != nil {
		return err
	}
	if e, ok := e.(PieceTaken); !ok || e.By() != "request-1" {
		return fmt.Errorf("evolve-schema: an old event was read as %+v", e)
	}
	if e, err := registry.Decode(mainstem.Event{Type: "nobody.knows.v1"}); err == nil {
		return fmt.Errorf("evolve-schema: an event that nobody knows was read as %+v", e)
	}
	_, err = fmt.Fprintln(out, "evolve-schema: an event of an older name and with a newer field was read, one of an unknown name was refused")
	return err
}

// compensated runs the workflow up to its last step, which fails, and takes the others back, twice: as a
// process does that was killed in the middle and started again.
func compensated(ctx context.Context, db *pg.DB, out io.Writer) error {
	do := func(service, id string, n int64) error {
		_, err := db.Run(ctx, pg.Request{Key: pg.Key("workflow", id), Wait: time.Second}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			_, err := tx.Exec(ctx, `INSERT INTO service_done AS now VALUES ($1, $2)
				ON CONFLICT (service) DO UPDATE SET done = now.done + $2`, service, n)
			return nil, err
		})
		return err
	}
	steps := []struct{ name, service string }{{"reserve", "stock"}, {"pay", "pay"}, {"send", "post"}}
	undone := steps[:len(steps)-1]
	for range 2 {
		for _, s := range undone {
			if err := do(s.service, s.name, 1); err != nil {
				return err
			}
		}
		for _, s := range slices.Backward(undone) {
			if err := do(s.service, s.name+"/undo", -1); err != nil {
				return err
			}
		}
	}
	left := 0
	if err := db.Pool.QueryRow(ctx, "SELECT count(*) FROM service_done WHERE done <> 0").Scan(&left); err != nil {
		return err
	}
	if left != 0 {
		return fmt.Errorf("saga: %d services were not taken back", left)
	}
	_, err := fmt.Fprintln(out, "saga:", steps[len(steps)-1].name, "failed, and what came before was taken back once, though all of it ran twice")
	return err
}
