package peer

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/jetstream"
	pglog "github.com/mainstemdb/mainstem/engine/postgres" // beside the peer of that name
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// One node of a cluster, in this process, on the very servers that their own peers
// are measured on.
var (
	onPostgresPeer  = Peer{Name: "mainstem-on-postgres", Kinds: []Kind{CAS, Add, Append, Get}, Open: openOnPostgres}
	onJetStreamPeer = Peer{Name: "mainstem-on-jetstream", Kinds: []Kind{CAS, Add, Append, Get}, Open: openOnJetStream}
)

// openNode opens Mainstem on a log.
func openNode(ctx context.Context, c Config, logs *journal.Database) (*Mainstem, error) {
	m, err := OpenMainstem(ctx, c, embedded.Cluster(logs, "bench", node.Shared{}))
	if err != nil {
		return nil, err
	}
	if err := m.setCounter(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// onPostgres is a node and the PostgreSQL whose processor time counts.
type onPostgres struct {
	*Mainstem
	server *pgserver.Server
}

func openOnPostgres(ctx context.Context, c Config) (System, error) {
	server, err := StartPostgres(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	s := &onPostgres{server: server}
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *onPostgres) open(ctx context.Context, c Config) error {
	sql, err := pglog.Schema(pglog.DefaultSchema, 1, "")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.server.DSN())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	logs, err := pglog.Open(ctx, pglog.Config{URL: s.server.DSN()})
	if err != nil {
		return err
	}
	c.Dir += "-node" // the server's is nobody else's
	s.Mainstem, err = openNode(ctx, c, logs)
	return err
}

// PID is the postmaster's.
func (s *onPostgres) PID() int { return s.server.PID() }

// Close ends the node and then its server.
func (s *onPostgres) Close() error {
	var err error
	if s.Mainstem != nil {
		err = s.Mainstem.Close()
	}
	return errors.Join(err, s.server.Close())
}

// onJetStream is a node and an embedded NATS server of one, as its peer has.
type onJetStream struct {
	*Mainstem
	server *server.Server
}

func openOnJetStream(ctx context.Context, c Config) (System, error) {
	ns, err := startNATS(c.Dir)
	if err != nil {
		return nil, err
	}
	logs, err := jetstream.OpenDatabase(ctx, jetstream.Options{URL: ns.ClientURL(), Name: "bench", Replicas: 1, AcceptWeakDurability: true}, 1)
	if err != nil {
		return nil, errors.Join(err, stopNATS(ns))
	}
	c.Dir += "-node"
	m, err := openNode(ctx, c, logs)
	if err != nil {
		return nil, errors.Join(err, stopNATS(ns))
	}
	return &onJetStream{m, ns}, nil
}

// Settings are those of the node, and of the server.
func (s *onJetStream) Settings() map[string]string {
	settings := s.Mainstem.Settings()
	settings["replicas"], settings["sync_interval"], settings["version"] = strconv.Itoa(1), "always", server.VERSION
	return settings
}

// Close ends the node and then its server.
func (s *onJetStream) Close() error { return errors.Join(s.Mainstem.Close(), stopNATS(s.server)) }
