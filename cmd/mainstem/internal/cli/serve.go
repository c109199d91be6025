package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/server"
)

type serveCmd struct {
	settings
}

// Help is shown below the flags.
func (*serveCmd) Help() string {
	return `Opens the directory, creates a database if there is none, and answers until it is told to go by SIGTERM or SIGINT: then it is no longer ready, refuses new calls, lets those that run end, and closes. A database that stops by itself ends the server with its exit code; started again, it recovers.

Without a policy it is for its own machine only; beyond that it needs a policy and TLS, or a policy and --insecure. The policy and the certificates are read anew when they change, the policy at SIGHUP at once.

Settings come from flags, then from the environment, then from --config FILE, then from defaults: mainstem config print shows what comes from where. Where GOMEMLIMIT is not set, the garbage collector is told to stay within the memory of the database and what the rest of the process needs.

With --log the directory has this node's state only, and the log is on an engine that several nodes share: see mainstem cluster. Any node serves any request. With --node and --peer-listen alone the log is in the directory, and can move to such an engine: see mainstem move.

A database goes on in the version of its log that is in force, whatever newer one this program knows, so that the program before it can still take its place. --activate puts a newer one in force: once, when every node runs a program that knows it.

With --metrics there is an address for Prometheus, under /metrics, guarded as the database is: by the policy (the right admin) and TLS, or for this machine only. Traces go by OTLP over HTTP to OTEL_EXPORTER_OTLP_ENDPOINT, where that is set.

/healthz says that the process runs, /readyz that calls should come here, and what an acknowledgement means.

Examples:

    mainstem serve
    mainstem serve --dir /var/lib/mainstem --memory 1GiB
    mainstem serve --config server.yaml
    mainstem serve --listen 127.0.0.1:0 --pprof 127.0.0.1:0 --metrics 127.0.0.1:0 --json
    mainstem serve --listen :7171 --policy tokens.yaml --tls-cert server.pem --tls-key server-key.pem
    mainstem serve --log 'postgres://node@db1/shop' --node a --peer-listen 127.0.0.1:7271`
}

func (c *serveCmd) Run(e *env) (err error) {
	log := slog.New(slog.NewJSONHandler(e.err, nil))
	listener, err := net.Listen("tcp", string(c.Listen))
	if err != nil {
		return misused(c.elsewhere(err), "cannot listen on %s: %v", c.Listen, err)
	}
	defer listener.Close()
	watched, err := watch(e.ctx, log)
	if err != nil {
		return err
	}
	defer watched.close()
	secured, err := c.prepare(log, listener.Addr(), watched.calls.Refused)
	if err != nil {
		return err
	}
	profiles, err := c.profile(e.ctx)
	if err != nil {
		return err
	}
	defer profiles.close()
	scrapes, err := c.scrape(e.ctx)
	if err != nil {
		return err
	}
	defer scrapes.close()
	nodes, err := c.join(e.ctx, log)
	if err != nil {
		return err
	}
	defer nodes.closing(&err)
	limitMemory(log, c.Memory)
	kept, outside, err := c.storing.options(e.ctx)
	defer outside.closing(&err)
	if err != nil {
		return err
	}
	db, err := c.open(e.ctx, nodes, log, watched, kept)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	defer (&verifying{db, time.Duration(c.Verify), c.path(), log, watched.database.Verified}).begin(e.ctx)()
	nodes.begin(db, log)
	handler := server.New(db.Backend(), append(secured.options(), server.Promise(db.Guarantees), server.Health(c.health(db)), server.Node(c.Node, c.Zone), secured.administer(db, log))...)
	web := server.HTTP(secured.before(handler))
	web.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	failed := make(chan error, 1)
	go func() { failed <- secured.serve(web, watched.calls.Listener(listener)) }()
	scrapes.begin(secured, watched.handler(db, handler))
	secured.watch(e.ctx)
	if err := c.announce(e, secured.address(listener), nodes, profiles, scrapes); err != nil {
		return err
	}
	select {
	case <-e.ctx.Done():
		log.Info("leaving: no new calls, waiting for those that run", "at_most", time.Duration(c.Drain).String())
		return errors.Join(c.leave(handler, web), ended(<-failed))
	case <-db.Done():
		return errors.Join(db.Err(), web.Close(), ended(<-failed))
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	}
}

// health is why requests should go elsewhere, or nil. A node is one of several that have
// the same partitions, so one that is down is enough; alone it serves the others.
func (c *serveCmd) health(db *embedded.DB) func() error {
	return func() error {
		if err := db.Err(); err != nil {
			return err
		}
		return unready(db.Figures().Partitions, c.Node != "")
	}
}

func unready(all []node.PartitionFigures, others bool) error {
	down := slices.DeleteFunc(slices.Clone(all), func(p node.PartitionFigures) bool { return p.Down == 0 })
	if len(down) == 0 || !others && len(down) < len(all) {
		return nil
	}
	return mainstem.Errorf(down[0].Down, "%d of %d partitions do not serve, the first of them %d: see the log of this server", len(down), len(all), down[0].Partition)
}

// open opens the directory: as a database, or as a node's state.
func (c *serveCmd) open(ctx context.Context, nodes *peers, log *slog.Logger, watched *watching, kept []embedded.Option) (*embedded.DB, error) {
	opts := []embedded.Option{embedded.Memory(int64(c.Memory)), embedded.Logger(log), embedded.Through(watched.database.Backend), embedded.Activate(c.Activate)}
	clustered, err := nodes.options(ctx)
	if err != nil {
		return nil, err
	}
	db, err := embedded.Open(ctx, c.path(), append(append(opts, clustered...), kept...)...)
	if err != nil {
		return nil, advised(err, "give this process the right to write there")
	}
	return db, nil
}

// announce says where the server is, once it can be asked.
func (c *serveCmd) announce(e *env, address string, n *peers, p *profiles, m *scrapes) error {
	said := map[string]string{"address": address, "dir": c.path()}
	text := fmt.Sprintf("serving %s on %s\n", c.path(), address)
	if n != nil {
		said["node"], said["peer"] = c.Node, n.address()
		text += fmt.Sprintf("node %s, for other nodes at %s\n", c.Node, n.address())
	}
	if log := c.Log.String(); log != "" {
		said["log"] = log
		text += "log " + log + "\n"
	}
	if p != nil {
		said["pprof"] = p.address
		text += "profiles at " + p.address + "\n"
	}
	if m != nil {
		said["metrics"] = m.address
		text += "metrics at " + m.address + "\n"
	}
	if e.json {
		if err := e.object(said); err != nil {
			return err
		}
	} else if _, err := io.WriteString(e.out, text); err != nil {
		return err
	}
	return e.out.Flush()
}

// elsewhere is advice where listening failed.
func (c *serveCmd) elsewhere(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "another process is there, perhaps another server: give another address with --listen, or port 0 for any that is free"
	}
	return "give another with --listen"
}

// limitMemory tells the garbage collector how much the process may have: the
// database's memory, half as much again for what is garbage between two collections,
// and what connections and the runtime take. Whoever has set GOMEMLIMIT knows better.
func limitMemory(log *slog.Logger, memory size) {
	if os.Getenv("GOMEMLIMIT") != "" {
		log.Info("memory", "database", int64(memory), "process", debug.SetMemoryLimit(-1), "by", "GOMEMLIMIT")
		return
	}
	limit := int64(memory) + int64(memory)/2 + besideDatabase
	debug.SetMemoryLimit(limit)
	log.Info("memory", "database", int64(memory), "process", limit, "by", "memory")
}

// besideDatabase is what a server needs beside its database, in bytes.
const besideDatabase = 128 << 20

// leave drains. Calls that do not end in time are cut off, and their clients told
// nothing: that is what undecided means.
func (c *serveCmd) leave(handler *server.Server, web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.Drain))
	defer cancel()
	err := handler.Drain(ctx)
	if err == nil {
		err = web.Shutdown(ctx)
	}
	if err != nil {
		err = mainstem.Errorf(mainstem.Unavailable, "calls still ran after %s and were cut off: %w", time.Duration(c.Drain), err)
	}
	return errors.Join(err, web.Close())
}

// ended is how serving ended, where it was told to.
func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
