package profiles

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *mainstem.DB, io.Writer) error{reading} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	for _, what := range []string{
		"evolve-schema: Schemas that old and new code can both read",
		"eventual: Eventual consistency with conflict resolution. Mainstem orders everything by one writer; take a store with conflict resolution (CRDTs, version vectors) for this data, and derive what must be exact elsewhere.",
	} {
		if _, err := fmt.Fprintln(out, "not shown:", what); err != nil {
			return err
		}
	}
	return nil
}

// seen is true if something was done to a group, as a reader of some consistency sees it.
func seen(ctx context.Context, db *mainstem.DB, of string, at mainstem.Consistency) (bool, error) {
	view, err := db.Group("profile/"+of).View(ctx, at)
	if err != nil {
		return false, err
	}
	defer view.Close()
	for _, err := range view.Scan(ctx, "", "") {
		return err == nil, err
	}
	return false, nil
}

// reading answers each read with the consistency that it asks for.
func reading(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	receipt, err := Edit(ctx, db, "reading", "request-1")
	if err != nil {
		return err
	}
	for _, read := range []struct {
		name, says string
		at         mainstem.Consistency
	}{
		{"profile", "Within(10 s)", mainstem.Within(10 * time.Second)},
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
