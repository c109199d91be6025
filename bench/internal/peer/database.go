package peer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// Shared is a running PostgreSQL that many visits use, each with a database in it.
type Shared struct {
	DSN string `json:"dsn"`
	PID int    `json:"pid"`
}

// StartPostgres starts a PostgreSQL that syncs, with its data below a directory.
func StartPostgres(ctx context.Context, dir string) (*pgserver.Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Settings: postgresSettings})
	if errors.Is(err, pgserver.ErrMissing) {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return s, err
}

// Database is one database in a PostgreSQL: in one that is shared, or in one that
// runs for as long as this does.
type Database struct {
	Pool *pgxpool.Pool
	// Config is how to connect to it besides the pool.
	Config *pgx.ConnConfig

	server *pgserver.Server // nil where it is shared
	pid    int
	name   string
	keep   bool
	found  bool
}

// openDatabase opens the database that a configuration names, and makes it if it
// is not there. It may use so many connections.
func openDatabase(ctx context.Context, c Config, connections int) (*Database, error) {
	d := &Database{name: c.Database, keep: c.Keep}
	if d.name == "" {
		d.name = "bench"
	}
	at := c.Postgres
	if at == nil {
		var err error
		if d.server, err = StartPostgres(ctx, c.Dir); err != nil {
			return nil, err
		}
		at = &Shared{DSN: d.server.DSN(), PID: d.server.PID()}
	}
	d.pid = at.PID
	if err := d.connect(ctx, at.DSN, connections); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Database) connect(ctx context.Context, dsn string, connections int) error {
	admin, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it asked; how it ends is nothing to anybody
	if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", d.name).Scan(&d.found); err != nil {
		return err
	}
	if !d.found {
		if _, err := admin.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{d.name}.Sanitize()); err != nil {
			return err
		}
	}
	config, err := pgxpool.ParseConfig(strings.Replace(dsn, "dbname=postgres", "dbname="+d.name, 1))
	if err != nil {
		return err
	}
	config.MaxConns = int32(connections)
	d.Config = config.ConnConfig.Copy()
	d.Pool, err = pgxpool.NewWithConfig(ctx, config)
	return err
}

// run runs SQL by the simple protocol, several statements at once.
func (d *Database) run(ctx context.Context, sql string) error {
	_, err := d.Pool.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// Number asks for one number.
func (d *Database) Number(ctx context.Context, sql string, args ...any) (n int64, err error) {
	err = d.Pool.QueryRow(ctx, sql, args...).Scan(&n)
	return n, err
}

// Level is done before a window: a page that changes for the first time after a
// checkpoint goes to the log whole, so each window begins right after one.
func (d *Database) Level(ctx context.Context) error { return d.run(ctx, "CHECKPOINT") }

// WAL is how many bytes of log the server has written, for whomever.
func (d *Database) WAL(ctx context.Context) (int64, error) {
	return d.Number(ctx, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
}

// PID is the postmaster's.
func (d *Database) PID() int { return d.pid }

// Settings are asked from the server.
func (d *Database) Settings() map[string]string {
	settings := map[string]string{"transport": "unix socket", "connections": fmt.Sprint(d.Pool.Config().MaxConns)}
	for _, name := range []string{
		"server_version", "fsync", "synchronous_commit", "wal_sync_method", "full_page_writes", "commit_delay",
		"max_connections", "shared_buffers", "max_wal_size", "checkpoint_timeout",
	} {
		var value string
		if err := d.Pool.QueryRow(context.Background(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			value = err.Error()
		}
		settings[name] = value
	}
	return settings
}

// Close drops the database unless it is to be kept, and stops a server that is
// its own.
func (d *Database) Close() error {
	if d.Pool != nil {
		d.Pool.Close()
	}
	if d.server != nil {
		return d.server.Close()
	}
	if d.keep || d.Config == nil {
		return nil
	}
	ctx := context.Background()
	config := d.Config.Copy()
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "DROP DATABASE "+pgx.Identifier{d.name}.Sanitize()+" WITH (FORCE)")
	return errors.Join(err, admin.Close(ctx))
}
