package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mainstemdb/mainstem"
)

// Show keeps each promise once, in the open, and says what came of it. A promise that is
// broken is an error.
func Show(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	for _, scene := range []func(context.Context, *mainstem.DB, io.Writer) error{repeated, evolved, spread, followed} {
		if err := scene(ctx, db, out); err != nil {
			return err
		}
	}
	for _, what := range []string{
		"eventual: Eventual consistency with conflict resolution. Mainstem orders everything by one writer; take a store with conflict resolution (CRDTs, version vectors) for this data, and derive what must be exact elsewhere.",
		"headroom: Headroom before anything else. Mainstem refuses as overloaded when its queue is full; capacity is yours to add.",
		"local-quorum: Local quorum reads with bounded staleness",
		"the door: pg, or embedded: it waits for architecture.stores[].engine",
	} {
		if _, err := fmt.Fprintln(out, "not shown:", what); err != nil {
			return err
		}
	}
	return nil
}

// repeated sends one request twice, as a client does whose answer was lost.
func repeated(ctx context.Context, db *mainstem.DB, out io.Writer) error {
	first, err := Ingest(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	again, err := Ingest(ctx, db, "repeated", "request-1")
	if err != nil {
		return err
	}
	if first.Replayed || !again.Replayed || again.Position != first.Position {
		return errors.New("request-ids: a request that was repeated was done again")
	}
	_, err = fmt.Fprintln(out, "request-ids:", "ingest", "came twice under one ID, was done once, and got the first answer again")
	return err
}

// seen is true if something was done to a group, as a reader of some consistency sees it.
func seen(ctx context.Context, db *mainstem.DB, of string, at mainstem.Consistency) (bool, error) {
	view, err := db.Group("machine/"+of).View(ctx, at)
	if err != nil {
		return false, err
	}
	defer view.Close()
	n, err := view.Length(ctx, "events")
	return n > 0, err
}

// evolved reads an event that was written under the name that its type had before, and refuses one that nobody knows.
func evolved(_ context.Context, _ *mainstem.DB, out io.Writer) error {
	old := mainstem.Event{Type: "sample.taken", Data: []byte(`{"request":"request-1","since":"version 2"}`)}
	e, err := registry.Decode(old)
	if err != nil {
		return err
	}
	if e, ok := e.(SampleTaken); !ok || e.By() != "request-1" {
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
		receipt, err := Ingest(ctx, db, of, "request-1")
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
