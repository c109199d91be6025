package peer

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/internal/pgserver"
)

var postgresPeer = Peer{
	Name:  "postgres",
	Kinds: []Kind{CAS, Add, Append, Get},
	// More connections gather more commits into one sync, and cost more
	// processes: the best is searched.
	Variants: func(clients int, _ bool) (sizes []string) {
		for _, n := range []int{16, 64, 128, 256} {
			if n < clients {
				sizes = append(sizes, strconv.Itoa(n))
			}
		}
		return append(sizes, strconv.Itoa(min(clients, 512)))
	},
	Open: openPostgres,
}

// postgres is a PostgreSQL of this run on a Unix socket.
type postgres struct {
	server *pgserver.Server
	pool   *pgxpool.Pool
}

const postgresSchema = `
CREATE TABLE IF NOT EXISTS keys (k bigint PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL) WITH (fillfactor = 70);
CREATE TABLE IF NOT EXISTS events (stream bigint, number bigint, data bytea NOT NULL, PRIMARY KEY (stream, number));
CREATE TABLE IF NOT EXISTS counter (n bigint NOT NULL CHECK (n >= 0)) WITH (fillfactor = 10);
INSERT INTO counter SELECT %d WHERE NOT EXISTS (SELECT FROM counter)`

// Everything that is not said here is PostgreSQL's default; what counts for
// durability is asked from the server and printed.
var postgresSettings = []string{
	"max_connections=600", "shared_buffers=256MB", "max_wal_size=4GB", "fsync=on", "synchronous_commit=on", "full_page_writes=on",
}

func openPostgres(ctx context.Context, c Config) (System, error) {
	server, err := StartPostgres(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	s := &postgres{server: server}
	if err := s.connect(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *postgres) connect(ctx context.Context, c Config) error {
	config, err := pgxpool.ParseConfig(s.server.DSN())
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(c.Variant)
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	config.MaxConns = int32(size)
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, fmt.Sprintf(postgresSchema, int64(counterStart)), pgx.QueryExecModeSimpleProtocol)
	return err
}

// Do runs one operation as one statement, which is a transaction of its own.
func (s *postgres) Do(ctx context.Context, op *Op) (uint64, error) {
	switch op.Kind {
	case CAS:
		if op.Version == 0 {
			return 1, s.one(ctx, "INSERT INTO keys VALUES ($1, 1, $2)", op.Key, op.Value)
		}
		return op.Version + 1, s.one(ctx, "UPDATE keys SET version = version + 1, value = $1 WHERE k = $2 AND version = $3",
			op.Value, op.Key, int64(op.Version))
	case Add:
		return 0, s.one(ctx, "UPDATE counter SET n = n - 1 WHERE n > 0")
	case Append:
		return op.Version + 1, s.one(ctx, "INSERT INTO events SELECT $1::bigint, $2::bigint + 1, $3::bytea WHERE $2::bigint ="+
			" coalesce((SELECT max(number) FROM events WHERE stream = $1::bigint), 0)", op.Client, int64(op.Version), op.Value)
	case Get:
		var version int64
		var value []byte
		err := s.pool.QueryRow(ctx, "SELECT version, value FROM keys WHERE k = $1", op.Key).Scan(&version, &value)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, nil
		}
		return uint64(version), err
	default:
		return 0, unsupported(op.Kind)
	}
}

// one runs a statement that must change exactly one row.
func (s *postgres) one(ctx context.Context, sql string, args ...any) error {
	tag, err := s.pool.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() != 1 {
		err = errVersion
	}
	return err
}

// Settings are asked from the server.
func (s *postgres) Settings() map[string]string {
	settings := map[string]string{"transport": "unix socket", "connections": fmt.Sprint(s.pool.Config().MaxConns), "fillfactor": "keys 70, counter 10"}
	for _, name := range []string{
		"server_version", "fsync", "synchronous_commit", "wal_sync_method", "full_page_writes", "commit_delay",
		"max_connections", "shared_buffers", "max_wal_size",
	} {
		var value string
		if err := s.pool.QueryRow(context.Background(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
			value = err.Error()
		}
		settings[name] = value
	}
	return settings
}

// PID is the postmaster's.
func (s *postgres) PID() int { return s.server.PID() }

// Close asks for a fast shutdown.
func (s *postgres) Close() error {
	if s.pool != nil {
		s.pool.Close()
	}
	return s.server.Close()
}
