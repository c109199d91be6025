package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
)

// Finding is one thing that Check looked at.
type Finding struct {
	What string `json:"what"`
	// Code is 0 if it is as it should be; Weak if a setting weakens a promise, or the
	// schema is newer than this program; anything else if something cannot work.
	Code   mainstem.Code `json:"-"`
	Detail string        `json:"detail"`
}

// settingsWanted are the server's settings on which promises rest.
var settingsWanted = []struct{ name, want, otherwise string }{
	{"fsync", "on", "a crash of the machine can lose or damage everything"},
	{"full_page_writes", "on", "a crash of the machine can damage pages"},
	{"synchronous_commit", "on", "an answered COMMIT can be lost: a key, its effect and its events together"},
}

// Check looks at the server, the schema and the rights of this connection's role,
// and changes nothing. An error says that it could not look.
func (db *DB) Check(ctx context.Context) ([]Finding, error) {
	if err := db.check(); err != nil {
		return nil, err
	}
	c := checking{db: db}
	for _, look := range []func(context.Context) error{c.version, c.pooler, c.primary, c.layout, c.printed, c.grants, c.settings, c.standbys} {
		if err := look(ctx); err != nil {
			return nil, fault(err, "the server cannot be looked at")
		}
	}
	return c.found, nil
}

type checking struct {
	db     *DB
	found  []Finding
	broken bool // no schema to look into
	newer  bool // than this program, which does not know what is in it
}

func (c *checking) add(what string, code mainstem.Code, format string, args ...any) {
	c.found = append(c.found, Finding{What: what, Code: code, Detail: fmt.Sprintf(format, args...)})
}

func (c *checking) version(ctx context.Context) error {
	const least = 130000
	var number int
	var text string
	err := c.db.Pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version')").Scan(&number, &text)
	if err != nil {
		return err
	}
	code := mainstem.Code(0)
	if number < least {
		code = mainstem.Invalid
	}
	c.add("version", code, "PostgreSQL %s; 13 or newer is needed", text)
	return nil
}

// pooler says what stands between, which decides how the relay can be woken.
func (c *checking) pooler(ctx context.Context) error {
	return c.db.Pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		pooled, err := isPooled(ctx, conn.Conn())
		switch {
		case err != nil:
			return err
		case pooled:
			c.add("way to the server", 0, "through a pooler: Relay.Listen has to be another address, the server's own, or nil")
		default:
			c.add("way to the server", 0, "direct")
		}
		return nil
	})
}

func (c *checking) primary(ctx context.Context) error {
	var standby bool
	if err := c.db.Pool.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return err
	}
	if standby {
		c.add("role of the server", mainstem.Unavailable, "a standby, which takes no writes: connect to the primary")
		return nil
	}
	c.add("role of the server", 0, "primary")
	return nil
}

func (c *checking) layout(ctx context.Context) error {
	switch err := checkLayout(ctx, c.db.Pool, c.db.schema()); mainstem.CodeOf(err) {
	case 0:
		if err != nil {
			return err
		}
		return c.printing(ctx)
	case mainstem.Invalid, mainstem.Denied:
		c.broken = true
		c.add("schema", mainstem.CodeOf(err), "%s", err)
	default:
		return err
	}
	return nil
}

// printing tells an older schema from an older program. One that was printed before
// prints had numbers has none.
func (c *checking) printing(ctx context.Context) error {
	var number int
	var found string
	err := c.db.Pool.QueryRow(ctx, c.db.sql("SELECT coalesce((to_jsonb(l)->>'print')::int, 0), coalesce(to_jsonb(l)->>'hash', '') FROM $S.layout l")).Scan(&number, &found)
	schema, again := c.db.schema(), "print the SQL again with mainstem pg schema, and run it"
	switch {
	case err != nil:
		return err
	case number > printNumber:
		c.newer = true
		c.add("schema", mainstem.Weak, "%s is newer than this program, which works with it and cannot check it: it has print %d, this program prints %d: update the program", schema, number, printNumber)
	case number < printNumber:
		c.add("schema", mainstem.Invalid, "%s is older than this program: it has print %d, this program prints %d: %s", schema, number, printNumber, again)
	case found != hash():
		c.add("schema", mainstem.Invalid, "%s has another print %d than this program's: %s", schema, number, again)
	default:
		c.add("schema", 0, "%s has layout %d, print %d", schema, layout, number)
	}
	return nil
}

// grants looks for what is not there, and for rights that are lacking.
func (c *checking) grants(ctx context.Context) error {
	if c.broken {
		return nil
	}
	names, privileges := wanted()
	rows, err := c.db.Pool.Query(ctx, c.db.sql(lackingSQL), names, privileges)
	if err != nil {
		return err
	}
	var name, privilege, gone string
	lacking := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &privilege}, func() error {
		switch {
		case privilege != "":
			lacking++
			c.add("rights", mainstem.Denied, "no %s on %s.%s: grant what mainstem pg schema --role prints", privilege, c.db.schema(), name)
		case name != gone: // which it is for each right on it
			gone = name
			c.add("schema", mainstem.Invalid, "%s.%s is missing: run the SQL that mainstem pg schema prints", c.db.schema(), name)
		}
		return nil
	})
	if err == nil && lacking == 0 {
		c.add("rights", 0, "this role has all that is needed")
	}
	return err
}

func (c *checking) settings(ctx context.Context) error {
	for _, s := range settingsWanted {
		var value string
		if err := c.db.Pool.QueryRow(ctx, "SELECT current_setting($1::text)", s.name).Scan(&value); err != nil {
			return err
		}
		switch {
		case value == s.want, s.name == "synchronous_commit" && (value == "remote_apply" || value == "remote_write" || value == "local"):
			c.add(s.name, 0, "%s", value)
		default:
			c.add(s.name, mainstem.Weak, "%s: %s", value, s.otherwise)
		}
	}
	return nil
}

// standbys says what a failover can lose.
func (c *checking) standbys(ctx context.Context) error {
	var names, commit string
	var connected, synchronous, unseen int
	err := c.db.Pool.QueryRow(ctx, `SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
		count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), count(*) FILTER (WHERE sync_state IS NULL)
		FROM pg_stat_replication`).Scan(&names, &commit, &connected, &synchronous, &unseen)
	switch {
	case err != nil:
		return err
	case connected == 0 && names == "":
		c.add("standbys", 0, "none is connected: what the disk of this server loses is lost")
	case names == "" || commit == "local":
		c.add("standbys", mainstem.Weak, "%d follow asynchronously: a failover can lose answered COMMITs; set synchronous_standby_names", connected)
	case commit == "remote_write":
		c.add("standbys", mainstem.Weak, "COMMIT does not wait for a standby's disk: losing both machines' power loses it")
	case synchronous == 0 && unseen > 0:
		c.add("standbys", mainstem.Weak, "%d are connected, and this role may not see whether one of %s is among them: look with one that has pg_read_all_stats", connected, names)
	case synchronous == 0:
		c.add("standbys", mainstem.Unavailable, "none of %s is connected: COMMIT waits for one", names)
	default:
		c.add("standbys", 0, "%d of %d are synchronous", synchronous, connected)
	}
	if names == "" {
		return nil
	}
	return c.db.Pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		if conn.Conn().PgConn().CustomData()[watchedKey] == nil {
			c.add("warnings of COMMIT", mainstem.Weak, "nobody listens: a COMMIT whose wait for a standby is cancelled looks like any other; call pg.Watch before the pool is made")
			return nil
		}
		c.add("warnings of COMMIT", 0, "are heard")
		return nil
	})
}
