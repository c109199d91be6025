package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *mainstem.DB, io.Writer) error{repeated, causes, reading, evolved, followed} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	for _, what := range []string{
		"tail-of-the-slowest: Design for the tail where requests fan out",
	} {
		if _, err := fmt.Fprintln(out, "not shown:", what); err != nil {
			return err
		}
	}
	return nil
}

// repeated sends one request twice, as a client does whose answer was lost.
func repeated(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	first, err := Post(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Post(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || again.Position != first.Position {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "post", "came twice under one ID, was done once, and got the first answer again")
	return err
}

// seen is true if something was done to a group, as a reader of some consistency sees it.
func seen(ctx context.Context, db *mainstem.DB, of string, at mainstem.Consistency) (bool, error) {
	view, err := db.Group("author/"+of).View(ctx, at)
	if err != nil {
		return false, err
	}
	defer view.Close()
	n, err := view.Length(ctx, "events")
	return n > 0, err
}

// causes lets somebody react to what somebody else did, and a third person read both.
func causes(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	ann, bob := db.Session(mainstem.Token{}), db.Session(mainstem.Token{})
	if _, err := Post(ctx, ann.DB(), "cause", "request-1"); err != nil {
		return err
	}
	bob.See(ann.Token()) // bob has read it
	if _, err := Post(ctx, bob.DB(), "effect", "request-1"); err != nil {
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
	receipt, err := Post(ctx, db, "reading", "request-1")
	if err != nil {
		return err
	}
	for _, read := range []struct {
		name, says string
		at         mainstem.Consistency
	}{
		{"my own timeline", "AtLeast(token)", mainstem.AtLeast(receipt.Token)},
		{"the feed", "Within(5 s)", mainstem.Within(5 * time.Second)},
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

// evolved reads an event that was written under the name that its type had before, and refuses one that nobody knows.
func evolved(_ context.Context, _ *mainstem.DB, out io.Writer) error {
	old := mainstem.Event{Type: "post.written", Data: []byte(`{"request":"request-1","since":"version 2"}`)}
	e, err := registry.Decode(old)
	if err != nil {
		return err
	}
	if e, ok := e.(PostWritten); !ok || e.By() != "request-1" {
		return fmt.Errorf("evolve-schema: an old event was read as %+v", e)
	}
	if e, err := registry.Decode(mainstem.Event{Type: "nobody.knows.v1"}); err == nil {
		return fmt.Errorf("evolve-schema: an event that nobody knows was read as %+v", e)
	}
	_, err = fmt.Fprintln(out, "evolve-schema: an event of an older name and with a newer field was read, one of an unknown name was refused")
	return err
}
