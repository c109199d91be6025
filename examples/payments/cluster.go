package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

//go:embed schema.sql
var businessSchema string

// cluster is a primary, a standby that it waits for, and a replica that follows
// the standby. After a failover the former standby waits for that replica.
type cluster struct {
	servers [3]*pgserver.Server // in this order
	primary *pgserver.Server
}

// databaseSettings are PostgreSQL's own but for sizes, and for how soon a standby
// connects again.
var databaseSettings = []string{"max_connections=120", "max_wal_senders=6", "wal_retrieve_retry_interval=100ms"}

// standby is what synchronous_standby_names knows standbys by.
const standby = "standby"

func startCluster(ctx context.Context) (c *cluster, err error) {
	c = &cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.servers[0], err = pgserver.Start(ctx, pgserver.Config{Settings: databaseSettings}); err != nil {
		return c, err
	}
	c.primary = c.servers[0]
	tables, err := pg.Schema(pg.DefaultSchema, "payments")
	if err != nil {
		return c, err
	}
	if err := c.run(ctx, c.primary, businessSchema, tables, "ALTER SYSTEM SET synchronous_standby_names = '"+standby+"'"); err != nil {
		return c, err
	}
	for i := 1; i < len(c.servers); i++ {
		if c.servers[i], err = c.servers[i-1].Standby(ctx, standby); err != nil {
			return c, err
		}
	}
	if err := c.run(ctx, c.primary, "SELECT pg_reload_conf()"); err != nil {
		return c, err
	}
	return c, c.guarded(ctx)
}

// Close ends all servers and removes their data.
func (c *cluster) Close() (err error) {
	for _, s := range c.servers {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}

// anyPrimary is how a pod connects to whichever server takes writes.
func (c *cluster) anyPrimary() (string, error) {
	var hosts, ports []string
	for _, s := range c.servers {
		config, err := pgx.ParseConfig(s.DSN())
		if err != nil {
			return "", err
		}
		hosts, ports = append(hosts, config.Host), append(ports, fmt.Sprint(config.Port))
	}
	return fmt.Sprintf("host=%s port=%s user=payments dbname=postgres target_session_attrs=read-write connect_timeout=2",
		strings.Join(hosts, ","), strings.Join(ports, ",")), nil
}

// replicas are how a pod connects to those that can be read from, the last one first.
func (c *cluster) replicas() (dsns []string) {
	for _, s := range []*pgserver.Server{c.servers[2], c.servers[1]} {
		dsns = append(dsns, strings.Replace(s.DSN(), "user=postgres", "user=payments", 1)+" connect_timeout=2")
	}
	return dsns
}

// run runs SQL as the owner of everything, each text by itself.
func (c *cluster) run(ctx context.Context, on *pgserver.Server, texts ...string) error {
	conn, err := pgx.Connect(ctx, on.DSN())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, text := range texts {
		if _, err := conn.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%w\n%.200s", err, text)
		}
	}
	return nil
}

// guarded waits until the primary has a standby that its commits wait for.
func (c *cluster) guarded(ctx context.Context) error {
	return c.primary.Ready(ctx, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, c.primary.DSN())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		var n int
		err = conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'").Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("no standby is synchronous")
		}
		return err
	})
}

// restart shuts the primary down in order, or kills it, and starts it again.
func (c *cluster) restart(ctx context.Context, crash bool) error {
	end := c.primary.Stop
	if crash {
		end = c.primary.Kill
	}
	if err := end(); err != nil {
		return err
	}
	if err := c.primary.Up(ctx); err != nil {
		return err
	}
	return c.guarded(ctx)
}

// lag stops the replay of the last replica for a while; it goes on receiving.
func (c *cluster) lag(ctx context.Context, d time.Duration) error {
	if err := c.run(ctx, c.servers[2], "SELECT pg_wal_replay_pause()"); err != nil {
		return err
	}
	err := pace.Pause(ctx, d)
	return errors.Join(err, c.run(context.WithoutCancel(ctx), c.servers[2], "SELECT pg_wal_replay_resume()"))
}

// failover parts primary and standby, so that commits wait in vain; then the
// primary dies, and the standby becomes the primary. What was not confirmed is lost.
func (c *cluster) failover(ctx context.Context, parted time.Duration) error {
	heir := c.servers[1]
	if err := c.run(ctx, heir, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	if err := pace.Pause(ctx, parted); err != nil {
		return err
	}
	if err := c.primary.Kill(); err != nil {
		return err
	}
	if err := heir.Promote(ctx); err != nil {
		return err
	}
	c.primary = heir
	return c.guarded(ctx)
}
