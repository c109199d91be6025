package peer

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	pglog "github.com/mainstemdb/mainstem/engine/postgres" // beside the peer of that name
	"github.com/mainstemdb/mainstem/journal"
)

// Logs are a server of this run that keeps the log of several nodes, and where it is.
type Logs struct {
	Engine, URL string
	Partitions  int
	pid         int // 0 for what runs in this process
	servers     natsServers
	end         func() error
}

// StartLogs starts one, with a log of so many partitions.
func StartLogs(ctx context.Context, engine, dir string, partitions int) (*Logs, error) {
	l := &Logs{Engine: engine, Partitions: partitions}
	if err := os.MkdirAll(dir, 0o711); err != nil { // PostgreSQL runs as another user
		return nil, err
	}
	switch engine {
	case "postgres":
		server, err := StartPostgres(ctx, dir)
		if err != nil {
			return nil, err
		}
		l.URL, l.pid, l.end = server.DSN(), server.PID(), server.Close
		if err := l.makeSchema(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	case "jetstream", "jetstream-r3":
		n := 1
		if engine == "jetstream-r3" {
			n = replicated
		}
		all, err := startNATS(ctx, dir, n)
		if err != nil {
			return nil, err
		}
		l.URL, l.servers, l.end = all.urls(), all, all.stop
	default:
		return nil, fmt.Errorf("nodes cannot share a log on %q", engine)
	}
	return l, nil
}

func (l *Logs) makeSchema(ctx context.Context) error {
	sql, err := pglog.Schema(pglog.DefaultSchema, l.Partitions, "")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, l.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// Open reaches the log, from this process or another one.
func (l *Logs) Open(ctx context.Context) (*journal.Database, error) {
	if l.Engine == "postgres" {
		return pglog.Open(ctx, pglog.Config{URL: l.URL})
	}
	return jetstream.OpenDatabase(ctx, jetstream.Options{URL: l.URL, Name: "bench", Replicas: max(1, len(l.servers)), AcceptWeakDurability: true}, l.Partitions)
}

// Close ends the server.
func (l *Logs) Close() error { return l.end() }
