package peer

import (
	"context"
	"errors"
	"maps"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
)

// One node of a cluster, in this process, on the very servers that their own peers
// are measured on.
var (
	onPostgresPeer    = Peer{Name: "mainstem-on-postgres", Kinds: []Kind{CAS, Add, Append, Get}, Open: openOnPostgres}
	onJetStreamPeer   = Peer{Name: "mainstem-on-jetstream", Kinds: []Kind{CAS, Add, Append, Get}, Open: onJetStreamOf("jetstream")}
	onJetStreamR3Peer = Peer{Name: "mainstem-on-jetstream-r3", Kinds: []Kind{CAS}, Open: onJetStreamOf("jetstream-r3")}
)

// clustered is one node on a log that others could share.
type clustered struct {
	*Mainstem
	logs *Logs
}

func openClustered(ctx context.Context, c Config, engine string) (*clustered, error) {
	logs, err := StartLogs(ctx, engine, c.Dir, max(1, c.Partitions))
	if err != nil {
		return nil, err
	}
	s := &clustered{logs: logs}
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *clustered) open(ctx context.Context, c Config) error {
	logs, err := s.logs.Open(ctx)
	if err != nil {
		return err
	}
	c.Dir += "-node" // the server's is nobody else's
	if s.Mainstem, err = OpenMainstem(ctx, c, embedded.Cluster(logs, "bench", node.Shared{})); err != nil {
		return err
	}
	return s.setCounter(ctx)
}

// Close ends the node and then its server.
func (s *clustered) Close() error {
	var err error
	if s.Mainstem != nil {
		err = s.Mainstem.Close()
	}
	return errors.Join(err, s.logs.Close())
}

// onPostgres is a node and the PostgreSQL whose processor time counts.
type onPostgres struct{ *clustered }

func openOnPostgres(ctx context.Context, c Config) (System, error) {
	s, err := openClustered(ctx, c, "postgres")
	if err != nil {
		return nil, err
	}
	return onPostgres{s}, nil
}

// PID is the postmaster's.
func (s onPostgres) PID() int { return s.logs.pid }

// onJetStream is a node and embedded NATS servers, as its peer has.
type onJetStream struct{ *clustered }

func onJetStreamOf(engine string) func(context.Context, Config) (System, error) {
	return func(ctx context.Context, c Config) (System, error) {
		s, err := openClustered(ctx, c, engine)
		if err != nil {
			return nil, err
		}
		return onJetStream{s}, nil
	}
}

// Settings are those of the node, and of the server.
func (s onJetStream) Settings() map[string]string {
	settings := s.Mainstem.Settings()
	maps.Copy(settings, s.logs.servers.settings())
	return settings
}
