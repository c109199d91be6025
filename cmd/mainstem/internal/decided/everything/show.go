package everything

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *mainstem.DB, io.Writer) error{repeated, competing, skewed, ownWrites, causes, reading, fencedPrinter, fencedPlotter, evolved, spread, compensated, followed} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	for _, what := range []string{
		"breaker-and-hedge: Circuit breaker and hedged requests. Use a library for it, as failsafe-go; Mainstem keeps the request ID that makes a hedge safe.",
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
func repeated(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	if err := Stock(ctx, db, "repeated", 2); err != nil {
		return err
	}
	first, err := Take(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Take(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || again.Position != first.Position {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "take", "came twice under one ID, was done once, and got the first answer again")
	return err
}

// competing lets eight decide at the same time where three pieces are left.
func competing(ctx context.Context, db *mainstem.DB, out io.Writer) error {
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
			receipt, err := Take(ctx, db, "competing", fmt.Sprint("request-", i))
			if mainstem.CodeOf(err) == mainstem.OutOfRange {
				outcomes <- outcome{}
				return
			}
			outcomes <- outcome{err == nil && !receipt.Refused, err}
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
	_, err = fmt.Fprintln(out, "split-hot-key: of eight that called", "take", "at once three were given one, and five were refused")
	return err
}

// skewed lets a second transaction commit between what the first one reads and what it writes: each
// alone keeps one of two on call, and both together would leave nobody.
func skewed(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	g, runs := db.Group("skewed"), 0
	leave := func(who, other string, between func() error) error {
		_, err := g.Do(ctx, "", func(tx *mainstem.Txn) error {
			gone, err := tx.Get(ctx, "gone/"+other)
			if err == nil && between != nil {
				err = between()
			}
			if err != nil || gone.Exists {
				return err
			}
			tx.Set("gone/"+who, 1)
			return nil
		})
		return err
	}
	err := leave("ann", "bob", func() error {
		if runs++; runs > 1 {
			return nil
		}
		return leave("bob", "ann", nil)
	})
	if err != nil {
		return err
	}
	ann, err := g.Get(ctx, "gone/ann", mainstem.Latest())
	if err != nil {
		return err
	}
	if runs != 2 || ann.Exists {
		return errors.New("serializable: two decisions that were each right left nobody")
	}
	_, err = fmt.Fprintln(out, "serializable: a decision whose ground another one took away ran again, and stayed")
	return err
}

// seen is true if something was done to a group, as a reader of some consistency sees it.
func seen(ctx context.Context, db *mainstem.DB, of string, at mainstem.Consistency) (bool, error) {
	view, err := db.Group("n-code-quoted/"+of).View(ctx, at)
	if err != nil {
		return false, err
	}
	defer view.Close()
	n, err := view.Length(ctx, "events")
	return n > 0, err
}

// ownWrites reads what this user has just written, through a token that travels as text.
func ownWrites(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	writer := db.Session(mainstem.Token{})
	if _, err := NoteThis(ctx, writer.DB(), "session", "request-1"); err != nil {
		return err
	}
	cookie := writer.Token().String()
	token, err := mainstem.ParseToken(cookie)
	if err != nil {
		return err
	}
	there, err := seen(ctx, db.Session(token).DB(), "session", mainstem.Local())
	if err == nil && !there {
		err = errors.New("session: a user's own write was not there")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "session: a read of any copy, with the token of one's own write, shows that write")
	return err
}

// causes lets somebody react to what somebody else did, and a third person read both.
func causes(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	ann, bob := db.Session(mainstem.Token{}), db.Session(mainstem.Token{})
	if _, err := NoteThis(ctx, ann.DB(), "cause", "request-1"); err != nil {
		return err
	}
	bob.See(ann.Token()) // bob has read it
	if _, err := NoteThis(ctx, bob.DB(), "effect", "request-1"); err != nil {
		return err
	}
	cem := db.Session(bob.Token()) // cem has read bob's
	for _, of := range []string{"effect", "cause"} {
		there, err := seen(ctx, cem.DB(), of, mainstem.Local())
		if err == nil && !there {
			err = errors.New("causal: an effect was there, and its cause was not")
		}
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "causal: whoever has seen the effect is shown the cause, from any copy")
	return err
}

// reading answers each read with the consistency that it asks for.
func reading(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	receipt, err := NoteThis(ctx, db, "reading", "request-1")
	if err != nil {
		return err
	}
	for _, read := range []struct {
		name, says string
		at         mainstem.Consistency
	}{
		{"own page", "AtLeast(token)", mainstem.AtLeast(receipt.Token)},
		{"any \"page\"", "Within(1500 ms)", mainstem.Within(1500 * time.Millisecond)},
	} {
		there, err := seen(ctx, db, "reading", read.at)
		if err == nil && !there && read.at.Level != mainstem.LevelWithin {
			err = fmt.Errorf("%s does not see what was acknowledged at position %d", read.name, receipt.Position)
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s was read at %s\n", read.name, read.says); err != nil {
			return err
		}
	}
	return nil
}

// fencedPrinter pauses a holder for longer than its lease, and lets it write afterwards.
func fencedPrinter(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	paused, err := db.Group("printer").Acquire(ctx, "printer", "the paused one", 50*time.Millisecond)
	if err != nil {
		return err
	}
	err = HoldPrinter(ctx, db, func(ctx context.Context, token mainstem.FencingToken) error {
		if err := WritePrinter(ctx, db, token, "the present one"); err != nil {
			return err
		}
		if err := WritePrinter(ctx, db, paused.Token, "the paused one"); mainstem.CodeOf(err) != mainstem.Fenced {
			return fmt.Errorf("fencing: a holder that was paused could write: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "fencing: the holder of", "printer", "that was paused beyond its lease was refused by its token")
	return err
}

// fencedPlotter pauses a holder for longer than its lease, and lets it write afterwards.
func fencedPlotter(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	paused, err := db.Group("plotter").Acquire(ctx, "plotter", "the paused one", 50*time.Millisecond)
	if err != nil {
		return err
	}
	err = HoldPlotter(ctx, db, time.Minute, func(ctx context.Context, token mainstem.FencingToken) error {
		if err := WritePlotter(ctx, db, token, "the present one"); err != nil {
			return err
		}
		if err := WritePlotter(ctx, db, paused.Token, "the paused one"); mainstem.CodeOf(err) != mainstem.Fenced {
			return fmt.Errorf("fencing: a holder that was paused could write: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "fencing: the holder of", "plotter", "that was paused beyond its lease was refused by its token")
	return err
}

// evolved reads an event that was written under the name that its type had before, and refuses one that nobody knows.
func evolved(_ context.Context, _ *mainstem.DB, out io.Writer) error {
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

// spread finds two keys whose changes need not wait for each other.
func spread(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	places := map[int]bool{}
	for i := range 64 {
		of := fmt.Sprint("spread-", i)
		receipt, err := NoteThis(ctx, db, of, "request-1")
		if err != nil {
			return err
		}
		places[receipt.Partition] = true
	}
	if len(places) != Partitions {
		return fmt.Errorf("partition: 64 keys are in %d partitions of %d", len(places), Partitions)
	}
	_, err := fmt.Fprintf(out, "partition: 64 keys were changed in %d partitions, each with a writer of its own\n", len(places))
	return err
}

// compensated runs the workflow up to its last step, which fails, and takes the others back, twice: as a
// process does that was killed in the middle and started again.
func compensated(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	do := func(service, id string, n int64) error {
		_, err := db.Group(service).Do(ctx, id, func(tx *mainstem.Txn) error {
			tx.Add("done", n)
			return nil
		})
		return err
	}
	steps := []struct{ name, service string }{{"reserve", "stock"}, {"pay", "pay"}, {"send", "post"}}
	undone := steps[:len(steps)-1]
	for range 2 {
		for _, s := range undone {
			if err := do(s.service, "workflow-7/"+s.name, 1); err != nil {
				return err
			}
		}
		for _, s := range slices.Backward(undone) {
			if err := do(s.service, "workflow-7/"+s.name+"/undo", -1); err != nil {
				return err
			}
		}
	}
	for _, s := range undone {
		v, err := db.Get(ctx, s.service, "done", mainstem.Latest())
		if err == nil && v.Value.Int != 0 {
			err = fmt.Errorf("saga: %s was taken back %d times too few", s.name, v.Value.Int)
		}
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "saga:", steps[len(steps)-1].name, "failed, and what came before was taken back once, though all of it ran twice")
	return err
}
