package cli

import (
	"io"

	"github.com/mainstemdb/mainstem/pg"
)

type pgCmd struct {
	Schema   pgSchemaCmd   `cmd:"" help:"Print the SQL that package pg needs in a PostgreSQL database."`
	Check    pgCheckCmd    `cmd:"" help:"Look whether server, schema and rights are as they should be."`
	Status   pgStatusCmd   `cmd:"" help:"Show how far the relay and each consumer are."`
	Events   pgEventsCmd   `cmd:"" help:"List events that have a position."`
	Requests pgRequestsCmd `cmd:"" help:"List what is kept of requests, or one of them."`
	Leases   pgLeasesCmd   `cmd:"" help:"List leases, and who holds them."`
	Parked   pgParkedCmd   `cmd:"" help:"List the events that a consumer could not take."`
	Retry    pgRetryCmd    `cmd:"" help:"Have the parked events of a stream given again."`
	Discard  pgDiscardCmd  `cmd:"" help:"Drop one parked event for good."`
	Forget   pgForgetCmd   `cmd:"" help:"Delete the cursor of a consumer that will not come back, and what it has parked."`
	Resolve  pgResolveCmd  `cmd:"" help:"Say what became of a claimed request."`
	Takeover pgTakeoverCmd `cmd:"" help:"Have the log of a cluster go on from the staged events."`
}

// Help is shown below the flags.
func (*pgCmd) Help() string {
	return `Package pg works inside the SQL transactions of a Go service, and needs a few tables and functions there.

Examples:

    mainstem pg schema > mainstem.sql
    mainstem pg status --dsn postgres://app@db1/shop

How to connect is --dsn, else MAINSTEM_PG, else PostgreSQL's own PGHOST, PGUSER and so on.`
}

type pgSchemaCmd struct {
	Schema string `help:"Name of the SQL schema to make." default:"mainstem" placeholder:"NAME"`
	Role   string `help:"Role of a service, which is granted what it needs at run time, and no more." placeholder:"ROLE"`
}

// Help is shown below the flags.
func (*pgSchemaCmd) Help() string {
	return `Run the SQL as the owner of the schema, as often as you like: it makes what is missing, brings functions up to date, and leaves rows alone. Without --role nothing is granted. It does not connect to anything.

Examples:

    mainstem pg schema > mainstem.sql
    mainstem pg schema --role app | psql -v ON_ERROR_STOP=1 -d shop`
}

func (c *pgSchemaCmd) Run(e *env) error {
	sql, err := pg.Schema(c.Schema, c.Role)
	if err != nil {
		return err
	}
	if e.json {
		return e.object(struct {
			Schema string `json:"schema"`
			Role   string `json:"role,omitempty"`
			SQL    string `json:"sql"`
		}{c.Schema, c.Role, sql})
	}
	_, err = io.WriteString(e.out, sql)
	return err
}
