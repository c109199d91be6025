package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/mainstemdb/mainstem/internal/process"
)

var redisPeer = Peer{Name: "redis", Kinds: []Kind{CAS, Add, Append, Get}, Open: openRedis}

// redisServer is a Redis of this run on a Unix socket. Scripts do what has a
// condition: they run alone, and the append-only file is synced before the reply.
type redisServer struct {
	*process.Process
	client  *redis.Client
	sockets string
}

var (
	redisCAS = redis.NewScript(`
local at = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if at ~= tonumber(ARGV[1]) then return redis.error_reply('version') end
redis.call('HSET', KEYS[1], 'version', at + 1, 'value', ARGV[2])
return at + 1`)
	redisAdd = redis.NewScript(`
if tonumber(redis.call('GET', KEYS[1])) < 1 then return redis.error_reply('floor') end
return redis.call('DECR', KEYS[1])`)
	redisAppend = redis.NewScript(`
if redis.call('XLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return redis.error_reply('version') end
redis.call('XADD', KEYS[1], (ARGV[1] + 1) .. '-0', 'data', ARGV[2])
return ARGV[1] + 1`)
)

func openRedis(ctx context.Context, c Config) (System, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: no redis-server found; Debian's package is redis-server", ErrMissing)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	sockets, err := socketDir()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(sockets, "s")
	p, err := process.Start(exec.Command(program, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--maxclients", "10000"))
	if err != nil {
		return nil, errors.Join(err, os.Remove(sockets))
	}
	s := &redisServer{Process: p, sockets: sockets, client: redis.NewClient(&redis.Options{
		Network: "unix", Addr: socket, PoolSize: min(c.Clients, 4096), MaxRetries: -1,
	})}
	err = p.Ready(ctx, func(ctx context.Context) error { return s.client.Ping(ctx).Err() })
	if err == nil {
		err = s.client.SetNX(ctx, "counter", int64(counterStart), 0).Err()
	}
	for _, script := range []*redis.Script{redisCAS, redisAdd, redisAppend} {
		if err == nil {
			err = script.Load(ctx, s.client).Err()
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Do runs one operation in one round trip.
func (s *redisServer) Do(ctx context.Context, op *Op) (uint64, error) {
	switch op.Kind {
	case CAS:
		return redisCAS.EvalSha(ctx, s.client, []string{keyName(op.Key)}, op.Version, op.Value).Uint64()
	case Add:
		return 0, redisAdd.EvalSha(ctx, s.client, []string{"counter"}).Err()
	case Append:
		return redisAppend.EvalSha(ctx, s.client, []string{"events-" + digits(op.Client)}, op.Version, op.Value).Uint64()
	case Get:
		var found struct {
			Version uint64 `redis:"version"`
			Value   string `redis:"value"`
		}
		err := s.client.HMGet(ctx, keyName(op.Key), "version", "value").Scan(&found)
		return found.Version, err
	default:
		return 0, unsupported(op.Kind)
	}
}

// Settings are asked from the server.
func (s *redisServer) Settings() map[string]string {
	ctx := context.Background()
	settings := map[string]string{"transport": "unix socket", "pool": fmt.Sprint(s.client.Options().PoolSize)}
	for _, name := range []string{"appendonly", "appendfsync", "save", "io-threads", "auto-aof-rewrite-percentage"} {
		got, err := s.client.ConfigGet(ctx, name).Result()
		if err != nil {
			got = map[string]string{name: err.Error()}
		}
		settings[name] = got[name]
	}
	if info, err := s.client.Info(ctx, "server").Result(); err == nil {
		for line := range strings.Lines(info) {
			if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
				settings["version"] = strings.TrimSpace(v)
			}
		}
	}
	return settings
}

// Close ends the client, and then the server in order.
func (s *redisServer) Close() error {
	return errors.Join(s.client.Close(), s.End(syscall.SIGTERM), os.RemoveAll(s.sockets))
}
