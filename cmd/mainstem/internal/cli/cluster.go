package cli

import (
	"io"

	"github.com/mainstemdb/mainstem/engine/postgres"
)

type clusterCmd struct {
	Schema  clusterSchemaCmd  `cmd:"" help:"Print the SQL that a log in PostgreSQL needs."`
	Members clusterMembersCmd `cmd:"" help:"List the nodes, as the log has them."`
	Forget  clusterForgetCmd  `cmd:"" help:"Take a node that is lost for good out of the members."`
}

// Help is shown below the flags.
func (*clusterCmd) Help() string {
	return `Several nodes on one log that an existing engine keeps: any of them serves any request, and any may be lost. Each is a mainstem serve with --log and a --node of its own.

Examples:

    mainstem cluster schema > log.sql
    mainstem serve --log 'postgres://node@db1/shop' --node a --peer-listen 127.0.0.1:7271`
}

type clusterSchemaCmd struct {
	Schema     string `help:"Name of the SQL schema to make." default:"mainstem_log" placeholder:"NAME"`
	Partitions int    `help:"How many partitions the database has; it stays so." default:"1" placeholder:"N"`
	Grant      string `help:"Role of the nodes, which is granted what they need at run time, and no more." placeholder:"ROLE"`
}

// Help is shown below the flags.
func (*clusterSchemaCmd) Help() string {
	return `Run the SQL as the owner of the schema, as often as you like: it makes what is missing, brings functions up to date, and leaves records alone. Without --grant nothing is granted. It does not connect to anything.

Examples:

    mainstem cluster schema > log.sql
    mainstem cluster schema --partitions 4 --grant node | psql -v ON_ERROR_STOP=1 -d shop`
}

func (c *clusterSchemaCmd) Run(e *env) error {
	sql, err := postgres.Schema(c.Schema, c.Partitions, c.Grant)
	if err != nil {
		return err
	}
	if e.json {
		return e.object(struct {
			Schema     string `json:"schema"`
			Partitions int    `json:"partitions"`
			Role       string `json:"role,omitempty"`
			SQL        string `json:"sql"`
		}{c.Schema, c.Partitions, c.Grant, sql})
	}
	_, err = io.WriteString(e.out, sql)
	return err
}
