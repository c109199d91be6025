package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/logurl"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

type moveCmd struct {
	service
	To logurl.URL `required:"" help:"The log to move to: an empty one, or the copy that an earlier move began." placeholder:"URL"`
}

// Help is shown below the flags.
func (*moveCmd) Help() string {
	return `Asks a server to move its database to another log, while all its nodes serve: from files to PostgreSQL or NATS JetStream, or from one of these to the other. The log is copied while it grows; when every node has said that it reaches the copy, one record names it, and the nodes go on there. Writes wait for that moment only. Positions, tokens, IDs and leases stay as they are.

Interrupted before that record, nothing has happened, and a second run goes on with the copy; afterwards the move goes on by itself. Repeat it where the exit code is 5. A server of files can move if it was started with --node and --peer-listen. The log that was left keeps its records and is never used again.

All nodes read the URL, so it has no password: name a file with PGPASSFILE or credentials=. With a policy it takes the right admin.

Examples:

    mainstem move --to 'postgres://node@db1/shop'
    mainstem move --to 'jetstream://nats-0:4222/shop?replicas=3' --server http://127.0.0.1:7171 --json`
}

func (c *moveCmd) Run(e *env) (err error) {
	if c.To.Secret() {
		return misused("name a file with PGPASSFILE or credentials=", "the log's URL has a password, and would be recorded for all nodes")
	}
	c.Server = cmp.Or(c.Server, localServer)
	db, err := c.client("")
	if err != nil {
		return err
	}
	defer closing(db, &err)
	shown := newBar(e, "copied", 0)
	waiting := ""
	done, err := db.Move(e.ctx, c.To.Text(), func(s remote.MoveStep) {
		shown.total = int(s.Copied + s.Lag)
		shown.show(int(s.Copied))
		if now := fmt.Sprint(s.Missing); len(s.Missing) > 0 && now != waiting && !e.json {
			waiting = now
			fmt.Fprintf(e.err, "waiting for nodes that do not reach %s yet: %s\n", c.To, now)
		}
	})
	shown.end()
	if err != nil {
		return fmt.Errorf("moving to %s: %w", c.To, err)
	}
	pause := float64(done.WritePause.Microseconds()) / 1000
	if e.json {
		return e.object(map[string]any{"log": c.To.String(), "generation": done.Generation, "copied": done.Copied, "write_pause_ms": pause})
	}
	_, err = fmt.Fprintf(e.out, "moved to %s\n%s copied, writes waited %.1f ms at most\n", c.To, counted(int(done.Copied), "record"), pause)
	return err
}

// reach opens the log of a move, as this node opens the one that it is started with.
func (p *peers) reach(ctx context.Context, text string) (*journal.Database, error) {
	url, err := movable(text)
	if err != nil {
		return nil, err
	}
	return url.Open(ctx, p.of.Weak)
}

// movable reads the URL of a log that may be recorded. No error shows a password.
func movable(text string) (url logurl.URL, err error) {
	switch err := url.UnmarshalText([]byte(text)); {
	case len(text) > node.LimitURL:
		return url, mainstem.Errorf(mainstem.Invalid, "the URL of the log has %d bytes; it may have 1 to %d", len(text), node.LimitURL)
	case err != nil:
		return url, mainstem.Errorf(mainstem.Invalid, "%w", err)
	case url.Secret():
		return url, mainstem.Errorf(mainstem.Invalid, "the log's URL has a password, and would be recorded for all nodes")
	}
	return url, nil
}

// administer offers what operators ask of a server.
func (s *secured) administer(db *embedded.DB, log *slog.Logger) server.Option {
	return server.Admin(s.admin, server.Operations{Move: moving(db, log), Members: func() []*pb.Member { return members(db) }, Forget: forgetting(db, log)})
}

// moving is what a server does when it is asked to move.
func moving(db *embedded.DB, log *slog.Logger) server.Mover {
	return func(ctx context.Context, url string, tell func(*pb.MoveResponse)) (*pb.MoveResponse, error) {
		who, _ := access.ClientFrom(ctx)
		to, err := movable(url)
		if err != nil {
			return nil, err
		}
		log := log.With("to", to.String(), "client", who.Name())
		log.Info("a move begins")
		began := time.Now()
		moved, err := db.Move(ctx, url, func(p node.MoveProgress) {
			tell(&pb.MoveResponse{Step: p.Step, Partition: uint32(p.Partition), Copied: p.Copied, Lag: p.Lag, Missing: p.Missing})
		})
		if err != nil {
			log.Error("a move ended", "err", err)
			return nil, err
		}
		log.Info("a move is done", "generation", moved.Generation, "copied", moved.Copied, "write_pause", moved.WritePause.String(), "took", time.Since(began).String())
		return &pb.MoveResponse{Step: node.MoveDone, Copied: moved.Copied, Generation: moved.Generation, WritePause: moved.WritePause.Nanoseconds()}, nil
	}
}

// admin is nil for whom the policy lets change the database as a whole; without a
// policy, for everybody on this machine.
func (s *secured) admin(ctx context.Context) error {
	if s.gate == nil {
		return nil
	}
	who, _ := access.ClientFrom(ctx)
	return who.Admin(ctx)
}
