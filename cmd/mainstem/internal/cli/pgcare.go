package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// pgServer is where a command finds the tables of package pg.
type pgServer struct {
	DSN    string `name:"dsn" env:"MAINSTEM_PG" help:"How to connect, as a URL or as name=value pairs." placeholder:"DSN"`
	Schema string `help:"Name of the SQL schema." default:"mainstem" placeholder:"NAME"`
}

// with runs fn on the database.
func (s *pgServer) with(e *env, fn func(ctx context.Context, db *pg.DB) error) error {
	config, err := pgxpool.ParseConfig(s.DSN)
	if err != nil {
		return misused("give --dsn as postgres://user@host/database", "--dsn cannot be used: %v", err)
	}
	pg.Watch(config.ConnConfig)
	pool, err := pgxpool.NewWithConfig(e.ctx, config)
	if err != nil {
		return misused("give --dsn as postgres://user@host/database", "--dsn cannot be used: %v", err)
	}
	defer pool.Close()
	return fn(e.ctx, &pg.DB{Pool: pool, Schema: s.Schema})
}

type pgCheckCmd struct {
	pgServer
}

// Help is shown below the flags.
func (*pgCheckCmd) Help() string {
	return `Changes nothing. What weakens a promise is WEAK and exit code 1; what cannot work is WRONG, with the exit code of its error.

Examples:

    mainstem pg check --dsn postgres://app@db1/shop`
}

func (c *pgCheckCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		found, err := db.Check(ctx)
		if err != nil {
			return err
		}
		var worst *pg.Finding
		for i, f := range found {
			verdict := map[mainstem.Code]string{0: "ok", mainstem.Weak: "WEAK"}[f.Code]
			if verdict == "" {
				verdict = "WRONG"
			}
			if f.Code != 0 && (worst == nil || worst.Code == mainstem.Weak) {
				worst = &found[i]
			}
			if e.json {
				err = errors.Join(err, e.object(struct {
					Verdict string `json:"verdict"`
					pg.Finding
				}{strings.ToLower(verdict), f}))
			} else {
				_, err = fmt.Fprintf(e.out, "%-5s  %s: %s\n", verdict, f.What, f.Detail)
			}
			if err != nil {
				return err
			}
		}
		if worst != nil {
			return mainstem.Errorf(worst.Code, "%s: %s", worst.What, worst.Detail)
		}
		return nil
	})
}

type pgStatusCmd struct {
	pgServer
}

// Help is shown below the flags.
func (*pgStatusCmd) Help() string {
	return `Changes nothing. A cursor that nobody consumes holds back the events behind it.

Examples:

    mainstem pg status --dsn postgres://app@db1/shop --json`
}

func (c *pgStatusCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		s, err := db.Status(ctx)
		if err != nil {
			return err
		}
		if e.json {
			return e.object(s)
		}
		fmt.Fprintf(e.out, "last position  %d, era %d\nnot numbered   %s\nrelay          %s\nrequest keys   about %d, %d claimed without an outcome\nkept           %d MiB\n",
			s.Last, s.Era, map[bool]string{true: "some", false: "none"}[s.Staged], orNobody(s.Relay), s.Keys, s.Claims, s.Kept>>20)
		for _, k := range s.Cursors {
			behind := fmt.Sprint(k.Behind)
			if k.Behind >= pg.LagMost {
				behind += " or more"
			}
			fmt.Fprintf(e.out, "consumer %s  at %d, %s behind, %d parked, moved %s, %s\n",
				shell(k.Name), k.Position, behind, k.Parked, timeOf(k.Moved), orNobody(k.Owner))
		}
		return nil
	})
}

func orNobody(owner string) string {
	if owner == "" {
		return "NOBODY"
	}
	return "by " + owner
}

type pgParkedCmd struct {
	pgServer
	Consumer string `arg:"" help:"Name of the consumer."`
}

func (c *pgParkedCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		parked, err := db.Parked(ctx, c.Consumer)
		for _, p := range parked {
			if e.json {
				err = errors.Join(err, e.object(struct {
					pgEventJSON
					Error string    `json:"error"`
					Since time.Time `json:"since"`
					Again bool      `json:"again"`
				}{pgEventOf(&p.Event), p.Error, p.Since.UTC(), p.Again}))
			} else {
				fmt.Fprintf(e.out, "%s %d  %s, since %s: %s\n", shell(p.Stream), p.Position, shell(p.Type), timeOf(p.Since), strings.Join(strings.Fields(p.Error), " "))
			}
		}
		return err
	})
}

type pgRetryCmd struct {
	pgServer
	Consumer string `arg:"" help:"Name of the consumer."`
	Stream   string `arg:"" help:"Name of the stream."`
}

func (c *pgRetryCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		n, err := db.Retry(ctx, c.Consumer, c.Stream)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("see what is: mainstem pg parked "+shell(c.Consumer), "consumer %s has nothing parked of stream %s", shell(c.Consumer), shell(c.Stream))
		}
		return e.done(map[string]any{"again": n}, "events that are given again: %d", n)
	})
}

type pgDiscardCmd struct {
	pgServer
	Consumer string            `arg:"" help:"Name of the consumer."`
	Stream   string            `arg:"" help:"Name of the stream."`
	Position mainstem.Position `arg:"" help:"Position of the event."`
}

func (c *pgDiscardCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		if err := db.Discard(ctx, c.Consumer, c.Stream, c.Position); err != nil {
			return err
		}
		return e.done(map[string]any{"discarded": c.Position}, "the event at %d is dropped", c.Position)
	})
}

type pgForgetCmd struct {
	pgServer
	Consumer string `arg:"" help:"Name of the consumer."`
}

func (c *pgForgetCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		if err := db.Forget(ctx, c.Consumer); err != nil {
			return err
		}
		return e.done(map[string]any{"forgotten": c.Consumer}, "consumer %s is forgotten", shell(c.Consumer))
	})
}

type pgResolveCmd struct {
	pgServer
	Key     string `arg:"" help:"Key of the request."`
	Nothing bool   `help:"Nothing happened: the request may run again." xor:"outcome" required:""`
	Status  int    `help:"It happened, and repetitions are answered with this HTTP status." xor:"outcome" required:"" placeholder:"CODE"`
	Body    string `help:"The body of that answer."`
}

// Help is shown below the flags.
func (*pgResolveCmd) Help() string {
	return `A handler that claims first and dies leaves a request of which nobody knows what became. Find out, at the provider for example, and say so here.

Examples:

    mainstem pg resolve 'http|acme|order-7|' --nothing
    mainstem pg resolve 'http|acme|order-7|' --status 201 --body '{"id":"ch_1"}'`
}

func (c *pgResolveCmd) Run(e *env) error {
	var reply []byte
	if !c.Nothing {
		if c.Status < 200 || c.Status > 599 {
			return misused("200 to 599", "status %d is none that a request can end with", c.Status)
		}
		kind := "text/plain; charset=utf-8"
		if json.Valid([]byte(c.Body)) {
			kind = "application/json"
		}
		reply = pg.HTTPReply(c.Status, map[string][]string{"Content-Type": {kind}}, []byte(c.Body))
	}
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		if err := db.Resolve(ctx, c.Key, reply); err != nil {
			return err
		}
		return e.done(map[string]any{"resolved": c.Key}, "request %s is resolved", shell(c.Key))
	})
}

// done tells that something was done.
func (e *env) done(object map[string]any, format string, args ...any) error {
	if e.json {
		return e.object(object)
	}
	_, err := fmt.Fprintf(e.out, format+"\n", args...)
	return err
}
