package peer

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/mainstemdb/mainstem/internal/process"
)

var etcdPeer = Peer{Name: "etcd", Kinds: []Kind{CAS, Add, Append, Get}, Open: openEtcd}

// etcd is one embedded server, reached over the loopback interface by several
// clients, since one connection does not fill it.
type etcd struct {
	server  *embed.Etcd
	clients []*clientv3.Client
}

const etcdConnections = 16

func openEtcd(ctx context.Context, c Config) (System, error) {
	config := embed.NewConfig()
	config.Dir = c.Dir
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.QuotaBackendBytes = 8 << 30 // the default of 2 GiB fills within a long run
	client, err := loopback()
	if err != nil {
		return nil, err
	}
	raft, err := loopback()
	if err != nil {
		return nil, err
	}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{raft}, []url.URL{raft}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	s := &etcd{}
	if s.server, err = embed.StartEtcd(config); err != nil {
		return nil, err
	}
	select {
	case <-s.server.Server.ReadyNotify():
	case err := <-s.server.Err():
		return nil, errors.Join(err, s.Close())
	case <-time.After(startTimeout):
		return nil, errors.Join(errors.New("etcd did not become ready"), s.Close())
	}
	for range min(c.Clients, etcdConnections) {
		cli, err := clientv3.New(clientv3.Config{Endpoints: []string{client.Host}, DialTimeout: startTimeout, Logger: zap.NewNop()})
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.clients = append(s.clients, cli)
	}
	_, err = s.clients[0].Put(ctx, "counter", fmt.Sprint(int64(counterStart)))
	return s, err
}

func loopback() (url.URL, error) {
	port, err := process.Port()
	return url.URL{Scheme: "http", Host: "127.0.0.1:" + port}, err
}

// Do runs one operation. Versions are etcd's revisions.
func (s *etcd) Do(ctx context.Context, op *Op) (uint64, error) {
	cli := s.clients[op.Client%len(s.clients)]
	switch op.Kind {
	case CAS:
		return etcdSwap(ctx, cli, keyName(op.Key), op.Version, string(op.Value))
	case Add:
		return 0, etcdTake(ctx, cli)
	case Append: // an event is a key, and its predecessor must be there
		stream := "events/" + digits(op.Client) + "/"
		when := []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(stream+digits(int(op.Version)+1)), "=", 0)}
		if op.Version > 0 {
			when = append(when, clientv3.Compare(clientv3.CreateRevision(stream+digits(int(op.Version))), ">", 0))
		}
		r, err := cli.Txn(ctx).If(when...).Then(clientv3.OpPut(stream+digits(int(op.Version)+1), string(op.Value))).Commit()
		if err == nil && !r.Succeeded {
			err = errVersion
		}
		return op.Version + 1, err
	case Get: // linearizable, which is etcd's default
		r, err := cli.Get(ctx, keyName(op.Key))
		if err != nil || len(r.Kvs) == 0 {
			return 0, err
		}
		return uint64(r.Kvs[0].ModRevision), nil
	default:
		return 0, unsupported(op.Kind)
	}
}

func etcdSwap(ctx context.Context, cli *clientv3.Client, key string, version uint64, value string) (uint64, error) {
	r, err := cli.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", int64(version))).Then(clientv3.OpPut(key, value)).Commit()
	if err != nil {
		return 0, err
	}
	if !r.Succeeded {
		return 0, errVersion
	}
	return uint64(r.Header.Revision), nil
}

// etcdTake reads and compares until it wins: etcd has no counters.
func etcdTake(ctx context.Context, cli *clientv3.Client) error {
	for {
		r, err := cli.Get(ctx, "counter")
		if err != nil {
			return err
		}
		if len(r.Kvs) == 0 {
			return errors.New("there is no counter")
		}
		var n int64
		if _, err := fmt.Sscan(string(r.Kvs[0].Value), &n); err != nil || n < 1 {
			return fmt.Errorf("the counter is %q: %w", r.Kvs[0].Value, err)
		}
		_, err = etcdSwap(ctx, cli, "counter", uint64(r.Kvs[0].ModRevision), fmt.Sprint(n-1))
		if !errors.Is(err, errVersion) {
			return err
		}
	}
}

// Settings are those that differ from the default, and those that count for durability.
func (s *etcd) Settings() map[string]string {
	c := s.server.Config()
	return map[string]string{
		"servers": "1, embedded, over loopback", "connections": fmt.Sprint(len(s.clients)),
		"unsafe-no-fsync": fmt.Sprint(c.UnsafeNoFsync), "backend-batch-interval": "default, 100ms",
		"quota-backend-bytes": fmt.Sprint(c.QuotaBackendBytes), "snapshot-count": fmt.Sprint(c.SnapshotCount),
	}
}

func (s *etcd) Close() error {
	var errs []error
	for _, cli := range s.clients {
		errs = append(errs, cli.Close())
	}
	s.server.Close()
	return errors.Join(errs...)
}
