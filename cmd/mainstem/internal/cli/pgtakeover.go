package cli

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pgcluster"
)

type pgTakeoverCmd struct {
	pgServer
	To     string        `required:"" help:"Name of the log's SQL schema, in the same database." placeholder:"NAME"`
	Group  string        `help:"Group whose streams the events are from then on." default:"pg" placeholder:"GROUP"`
	Wait   time.Duration `help:"How long to wait for transactions that have appended and not committed." default:"10s" placeholder:"DURATION"`
	DryRun bool          `help:"Do all of it, and roll it back." xor:"how"`
	Go     bool          `help:"Do it." xor:"how"`
}

// Help is shown below the flags.
func (*pgTakeoverCmd) Help() string {
	return `Without --dry-run or --go it looks only, and takes no lock. Make the log first, empty and of one partition, with mainstem cluster schema. The role has to own both schemas.

Everything happens in one transaction: killed at any moment, it has done all of it or nothing, and run again it says so. Meanwhile callers of pg.Append wait; afterwards they, relays and consumers end with an error that names the log, and each consumer goes on as the follower of its name, by DB.Follow. Stop consumers before, or a batch that one has in hand comes again.

Examples:

    mainstem cluster schema | psql -v ON_ERROR_STOP=1 -d shop
    mainstem pg takeover --to mainstem_log --dsn postgres://owner@db1/shop
    mainstem pg takeover --to mainstem_log --dsn postgres://owner@db1/shop --dry-run
    mainstem pg takeover --to mainstem_log --dsn postgres://owner@db1/shop --go`
}

func (c *pgTakeoverCmd) Run(e *env) error {
	config, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return misused("give --dsn as postgres://user@host/database", "--dsn cannot be used: %v", err)
	}
	conn, err := pgx.ConnectConfig(e.ctx, config)
	if err != nil {
		return mainstem.Errorf(mainstem.Unavailable, "the server cannot be reached: %w", err)
	}
	defer conn.Close(e.ctx)
	take, verb := pgcluster.Check, "could go"
	switch {
	case c.DryRun:
		take, verb = pgcluster.Rehearse, "went, and was rolled back:"
	case c.Go:
		take, verb = pgcluster.TakeOver, "went"
	}
	r, err := take(e.ctx, conn, pgcluster.Takeover{From: c.Schema, To: c.To, Group: c.Group, LockTimeout: c.Wait})
	if err != nil {
		return err
	}
	if r.Before != nil {
		verb = "went on " + timeOf(*r.Before)
	}
	if e.json {
		return e.object(r)
	}
	_, err = fmt.Fprintf(e.out, "%s %s to log %s: %d events after position %d, %d consumers\n", shell(r.From), verb, shell(r.To), r.Last-r.After, r.After, r.Consumers)
	return err
}
