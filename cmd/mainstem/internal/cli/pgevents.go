package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

type pgEventsCmd struct {
	pgServer
	After  *mainstem.Position `help:"Begin after this position; without it, with the oldest event that is kept." placeholder:"N"`
	Limit  int                `help:"Stop after this many; 100 unless given." default:"100" placeholder:"N"`
	Stream string             `help:"Only this stream." placeholder:"STREAM"`
	Type   string             `help:"Only this type." placeholder:"TYPE"`
}

// Help is shown below the flags.
func (*pgEventsCmd) Help() string {
	return `Prints position, time, stream, type and data of each event that has a position; --json has who and why too. Changes nothing. Where events after N are no longer kept it is exit code 3. With --stream or --type it looks through all events after N.

Examples:

    mainstem pg events --dsn postgres://app@db1/shop
    mainstem pg events --after 1200 --limit 10 --json
    mainstem pg events --stream order/7 --type charged.v1`
}

// pgEventJSON is an event with its position.
type pgEventJSON struct {
	Position mainstem.Position `json:"position"`
	Stream   string            `json:"stream"`
	Version  int64             `json:"version,omitempty"`
	Type     string            `json:"type"`
	Data     *string           `json:"data,omitempty"`
	Base64   []byte            `json:"data_base64,omitempty"`
	Actor    string            `json:"actor,omitempty"`
	Request  string            `json:"request,omitempty"`
	Trace    string            `json:"trace,omitempty"`
	Made     time.Time         `json:"made"`
}

func pgEventOf(e *pg.Event) pgEventJSON {
	text, binary := textOr(e.Data)
	return pgEventJSON{
		Position: e.Position, Stream: e.Stream, Version: e.Version, Type: e.Type, Data: text, Base64: binary,
		Actor: e.Meta.Actor, Request: e.Meta.Request, Trace: e.Meta.Trace, Made: e.Made.UTC(),
	}
}

// pgBatch is how many events are read at once: a batch of the largest is 50 MiB.
const pgBatch = 200

func (c *pgEventsCmd) Run(e *env) error {
	if err := atLeastOne(c.Limit); err != nil {
		return err
	}
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		after, err := c.begin(ctx, db)
		if err != nil {
			return err
		}
		for seen := 0; ; {
			events, err := db.Events(ctx, after, pgBatch)
			if err != nil {
				return err
			}
			for i := range events {
				if !c.wants(&events[i]) {
					continue
				}
				if seen == c.Limit {
					e.notef("more follow: --after %d", after)
					return nil
				}
				if err := c.print(e, &events[i]); err != nil {
					return err
				}
				after = events[i].Position
				seen++
			}
			if len(events) < pgBatch {
				if seen == 0 {
					e.notef("no such event has a position")
				}
				return nil
			}
			after = events[len(events)-1].Position
		}
	})
}

func (c *pgEventsCmd) begin(ctx context.Context, db *pg.DB) (mainstem.Position, error) {
	if c.After != nil {
		return *c.After, nil
	}
	return db.Oldest(ctx)
}

func (c *pgEventsCmd) wants(e *pg.Event) bool {
	return (c.Stream == "" || e.Stream == c.Stream) && (c.Type == "" || e.Type == c.Type)
}

func (c *pgEventsCmd) print(e *env, event *pg.Event) error {
	if e.json {
		return e.object(pgEventOf(event))
	}
	_, err := fmt.Fprintf(e.out, "%6d  %s  %s  %s  %s\n", event.Position, timeOf(event.Made), shell(event.Stream), shell(event.Type), plain(event.Data))
	return err
}

func atLeastOne(limit int) error {
	if limit < 1 {
		return misused("give a number from 1", "--limit is %d", limit)
	}
	return nil
}

func timeOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }
