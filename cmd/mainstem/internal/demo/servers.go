package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/natsserver"
	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// servers are an engine's, and the log of one run on them.
type servers interface {
	// url is the log's, for a node, which reaches the engine's addresses by way of others.
	url(node int, via func(addr string) string) string
	Close() error
}

// openServers starts the servers of an engine.
func openServers(ctx context.Context, engine, name string) (servers, error) {
	if engine == "jetstream" {
		c, err := natsserver.Start(ctx, nodesOfCluster)
		if err != nil {
			return nil, err
		}
		return &natsServers{c, name}, nil
	}
	p, err := openPair(ctx)
	if err != nil {
		return nil, err // and no servers: nothing in an interface is not nil
	}
	return p, nil
}

// natsServers are three, which keep three replicas of everything.
type natsServers struct {
	*natsserver.Cluster
	name string
}

// url names one server for each node, so that they are not all on one.
func (s *natsServers) url(node int, via func(addr string) string) string {
	url := fmt.Sprintf("jetstream://%s/%s?replicas=%d", via(s.Addr(node)), s.name, s.Size())
	for i := range s.Size() {
		url += "&monitor=http://" + via(strings.TrimPrefix(s.Monitor(i), "http://"))
	}
	return url
}

// twins are a PostgreSQL and the synchronous standby that has whatever it acknowledges.
type twins struct{ primary, standby *pgserver.Server }

func openPair(ctx context.Context) (p *twins, err error) {
	p = &twins{}
	if p.primary, err = pgserver.Start(ctx, pgserver.Config{Settings: []string{"max_wal_senders=4", "hot_standby=on", "max_connections=100"}}); err != nil {
		return nil, err
	}
	if p.standby, err = p.primary.Standby(ctx, "twin"); err == nil {
		err = p.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// prepare makes the log, and then has every commit wait for the standby.
func (p *twins) prepare(ctx context.Context) error {
	sql, err := postgres.Schema(postgres.DefaultSchema, 1, "")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, p.primary.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // it has done its work
	for _, statement := range []string{sql, `ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (twin)'`, `SELECT pg_reload_conf()`} {
		if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	for names := ""; names == ""; { // the reload takes a moment
		if err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_standby_names')`).Scan(&names); err != nil {
			return err
		}
	}
	return nil
}

func (p *twins) url(_ int, via func(addr string) string) string {
	return "postgres://postgres@" + via(p.primary.Addr()) + "/postgres?sslmode=disable"
}

// Close ends both, and removes what they stored.
func (p *twins) Close() error {
	var errs []error
	if p.standby != nil {
		errs = append(errs, p.standby.Close())
	}
	return errors.Join(append(errs, p.primary.Close())...)
}
