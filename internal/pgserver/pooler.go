package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mainstemdb/mainstem/internal/process"
)

// ErrNoPooler says that no PgBouncer is installed here.
var ErrNoPooler = errors.New("no PgBouncer is installed; Debian's package is pgbouncer")

// Pooler is a PgBouncer before a server, which gives a connection to a client for
// one transaction.
type Pooler struct {
	dir, port string
	*process.Process
}

// NewPooler starts one with so many connections to the server.
func NewPooler(ctx context.Context, s *Server, connections int) (*Pooler, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		return nil, ErrNoPooler
	}
	p := &Pooler{}
	if p.dir, err = os.MkdirTemp("", "pgbouncer-"); err != nil {
		return nil, err
	}
	if p.port, err = process.Port(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	config := strings.Join([]string{
		// auth_type any takes every client for this user.
		"[databases]", fmt.Sprintf("* = host=%s port=%s user=%s", s.sockets, s.port, user),
		"[pgbouncer]", "pool_mode = transaction", "listen_addr = 127.0.0.1", "listen_port = " + p.port, "unix_socket_dir =",
		"auth_type = any", fmt.Sprintf("default_pool_size = %d", connections), "max_client_conn = 200", "",
	}, "\n")
	if err := os.WriteFile(filepath.Join(p.dir, "pgbouncer.ini"), []byte(config), 0o644); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if err := os.Chmod(p.dir, 0o755); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), path, filepath.Join(p.dir, "pgbouncer.ini"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if p.Process, err = process.Start(cmd); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	err = p.Ready(ctx, func(ctx context.Context) error {
		return s.run(ctx, "pg_isready", "-q", "-h", "127.0.0.1", "-p", p.port)
	})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// DSN is how to connect through it.
func (p *Pooler) DSN() string {
	return fmt.Sprintf("host=127.0.0.1 port=%s user=%s dbname=postgres sslmode=disable", p.port, user)
}

// Close ends it, and every connection through it.
func (p *Pooler) Close() error {
	var err error
	if p.Process != nil {
		err = p.End(syscall.SIGTERM)
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
