package jobs

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
	for _, scene := range []func(context.Context, *mainstem.DB, io.Writer) error{fencedJob} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	for _, what := range []string{
		"linearizable: Linearizability with synchronous replication",
		"the door: pg, or embedded: it waits for objectives.rpo, architecture.stores[].engine",
		"how a repeated request is recognised: it waits for failure.outcome_unknown",
		"a group for take: it waits for operations[0].partitionable",
		"a stream of events: it waits for data.audit, data.durable_messages, data.replay, data.rich_events, data.several_stores, data.stream_processing, data.time_travel, derived[].staleness, load.cross_partition_frequent, load.derived_may_lag, reads[].shape",
	} {
		if _, err := fmt.Fprintln(out, "not shown:", what); err != nil {
			return err
		}
	}
	return nil
}

// fencedJob pauses a holder for longer than its lease, and lets it write afterwards.
func fencedJob(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	paused, err := db.Group("job").Acquire(ctx, "job", "the paused one", 50*time.Millisecond)
	if err != nil {
		return err
	}
	err = HoldJob(ctx, db, func(ctx context.Context, token mainstem.FencingToken) error {
		if err := WriteJob(ctx, db, token, "the present one"); err != nil {
			return err
		}
		if err := WriteJob(ctx, db, paused.Token, "the paused one"); mainstem.CodeOf(err) != mainstem.Fenced {
			return fmt.Errorf("fencing: a holder that was paused could write: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "fencing: the holder of", "job", "that was paused beyond its lease was refused by its token")
	return err
}
