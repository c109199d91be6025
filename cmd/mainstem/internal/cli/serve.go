package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/server"
)

type serveCmd struct {
	directory
	security
	Listen string        `help:"Address and port for everything: gRPC, gRPC-Web, Connect and JSON, health." env:"MAINSTEM_LISTEN" default:"127.0.0.1:7171" placeholder:"HOST:PORT"`
	Memory int64         `help:"Memory of the database, in MiB." env:"MAINSTEM_MEMORY" default:"256" placeholder:"MIB"`
	Drain  time.Duration `help:"How long calls that run may take to end when the server is told to go." env:"MAINSTEM_DRAIN" default:"30s" placeholder:"DURATION"`
}

// Help is shown below the flags.
func (*serveCmd) Help() string {
	return `Opens the directory, creates a database if there is none, and answers until it is told to go by SIGTERM or SIGINT: then it is no longer ready, refuses new calls, lets those that run end, and closes. A database that stops by itself ends the server with its exit code; started again, it recovers.

Without a policy it is for its own machine only; beyond that it needs a policy and TLS, or a policy and --insecure. The policy and the certificates are read anew when they change, the policy at SIGHUP at once.

/healthz says that the process runs, /readyz that calls should come here, and what an acknowledgement means.

Examples:

    mainstem serve
    mainstem serve --dir /var/lib/mainstem --memory 1024
    mainstem serve --listen 127.0.0.1:0 --json
    mainstem serve --listen :7171 --policy tokens.yaml --tls-cert server.pem --tls-key server-key.pem`
}

func (c *serveCmd) Run(e *env) (err error) {
	log := slog.New(slog.NewJSONHandler(e.err, nil))
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return misused("give another with --listen", "cannot listen on %s: %v", c.Listen, err)
	}
	defer listener.Close()
	secured, err := c.prepare(log, listener.Addr())
	if err != nil {
		return err
	}
	db, err := embedded.Open(e.ctx, c.path(), embedded.Memory(c.Memory<<20), embedded.Logger(log))
	if err != nil {
		return advised(err, "give this process the right to write there")
	}
	defer closing(db, &err)
	handler := server.New(db.Backend(), append(secured.options(), server.Promise(db.Guarantees()), server.Health(db.Err))...)
	web := server.HTTP(secured.before(handler))
	web.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	failed := make(chan error, 1)
	go func() { failed <- secured.serve(web, listener) }()
	secured.watch(e.ctx)
	if err := c.announce(e, secured.address(listener)); err != nil {
		return err
	}
	select {
	case <-e.ctx.Done():
		log.Info("leaving: no new calls, waiting for those that run", "at_most", c.Drain.String())
		return errors.Join(c.leave(handler, web), ended(<-failed))
	case <-db.Done():
		return errors.Join(db.Err(), web.Close(), ended(<-failed))
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	}
}

// announce says where the server is, once it can be asked.
func (c *serveCmd) announce(e *env, address string) error {
	if e.json {
		if err := e.object(map[string]string{"address": address, "dir": c.path()}); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(e.out, "serving %s on %s\n", c.path(), address); err != nil {
		return err
	}
	return e.out.Flush()
}

// leave drains. Calls that do not end in time are cut off, and their clients told
// nothing: that is what undecided means.
func (c *serveCmd) leave(handler *server.Server, web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	err := handler.Drain(ctx)
	if err == nil {
		err = web.Shutdown(ctx)
	}
	if err != nil {
		err = mainstem.Errorf(mainstem.Unavailable, "calls still ran after %s and were cut off: %w", c.Drain, err)
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
