package pg

import (
	"context"
	"regexp"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// functionText is a function in the SQL of Schema: its name, and the body that
// PostgreSQL keeps as it is written.
var functionText = regexp.MustCompile(`(?s)CREATE OR REPLACE FUNCTION "\w+"\.(\w+)\(.*?AS\s+\$\$(.*?)\$\$`)

// functions are the names and bodies of all that Schema makes.
func functions(schema string) (names, bodies []string, err error) {
	sql, err := Schema(schema, "")
	for _, f := range functionText.FindAllStringSubmatch(sql, -1) {
		names, bodies = append(names, f[1]), append(bodies, f[2])
	}
	return names, bodies, err
}

// defaults are the columns that have one, by table.
var defaults = []struct {
	tables  []string
	columns []string
}{
	{append(ring("event"), "event"), []string{"slot", "id", "xid", "actor", "request", "trace", "made"}},
	{[]string{"layout"}, []string{"one"}},
	{[]string{"request", "era", "timeline"}, []string{"made"}},
	{[]string{"relay"}, []string{"step", "last", "seen", "home", "upto", "emptied"}},
	{[]string{"cursor"}, []string{"made", "moved"}},
	{[]string{"applied"}, []string{"home", "moved"}},
	{[]string{"parked"}, []string{"parked", "again"}},
}

// printed looks for functions that are not as this program prints them: they were
// dropped, or another program printed them; and for columns without their default.
func (c *checking) printed(ctx context.Context) error {
	if c.broken || c.newer {
		return nil
	}
	names, bodies, err := functions(c.db.schema())
	if err != nil {
		return err
	}
	err = c.each(ctx, `SELECT DISTINCT name FROM unnest($1::text[], $2::text[]) AS wanted (name, body)
		WHERE NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = '$S'::regnamespace AND proname = name AND replace(prosrc, E'\r', '') = body) ORDER BY 1`,
		names, bodies, "%s.%s is not the function that this program prints: run the SQL of mainstem pg schema")
	if err != nil {
		return err
	}
	var tables, columns []string
	for _, d := range defaults {
		for _, table := range d.tables {
			for _, column := range d.columns {
				tables, columns = append(tables, table), append(columns, column)
			}
		}
	}
	return c.each(ctx, `SELECT name || '.' || col FROM unnest($1::text[], $2::text[]) AS wanted (name, col)
		WHERE to_regclass('$S.' || name) IS NOT NULL
		AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('$S.' || name) AND attname = col AND atthasdef) ORDER BY 1`,
		tables, columns, "%s.%s is missing, or has lost its default: run the SQL of mainstem pg schema, and set the default that it has in there")
}

// each adds a finding for each name that a query over two lists gives.
func (c *checking) each(ctx context.Context, query string, first, second []string, format string) error {
	rows, err := c.db.Pool.Query(ctx, c.db.sql(query), first, second)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, name := range found {
		c.add("schema", mainstem.Invalid, format, c.db.schema(), name)
	}
	return err
}
