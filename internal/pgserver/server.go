// Package pgserver runs PostgreSQL servers of its own from installed programs,
// for tests, examples and measurements: a primary, its standbys, and what can
// happen to them. It speaks to them by signals and files alone.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mainstemdb/mainstem/internal/process"
)

// ErrMissing says that no PostgreSQL server is installed here.
var ErrMissing = errors.New("no PostgreSQL server is installed; Debian's package is postgresql")

// user owns every database of a server; connections on the socket are trusted.
const user = "postgres"

// Server is one server with a directory of its own, reached by a Unix socket.
type Server struct {
	dir      string // the data is in it; removed by Close if made here
	made     bool
	sockets  string // apart: a socket's path may have about 100 bytes
	port     string
	settings []string
	*process.Process
}

// Config says where a server lives and how it is set.
type Config struct {
	// Dir is a directory that the server's user can reach, and then owns. Empty
	// means a new one, which Close removes. A directory that holds a server's
	// data already is started, not initialized.
	Dir string
	// Settings are given as name=value, on top of PostgreSQL's defaults.
	Settings []string
}

// Start initializes a server and waits until it takes connections.
func Start(ctx context.Context, c Config) (*Server, error) {
	s, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err != nil {
		err := s.run(ctx, "initdb", "-D", s.data(), "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// begin is the first Up, at a port that is free: until the server listens at it, another
// process may take it.
func (s *Server) begin(ctx context.Context) (err error) {
	for range 5 {
		if s.port, err = process.Port(); err != nil {
			return err
		}
		if err = s.Up(ctx); err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
	return err
}

// prepare makes the directories.
func prepare(c Config) (*Server, error) {
	if _, err := program("postgres"); err != nil {
		return nil, err
	}
	s := &Server{dir: c.Dir, settings: c.Settings}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "pg-")
		if err != nil {
			return nil, err
		}
		s.dir, s.made = dir, true
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if s.sockets, err = os.MkdirTemp("", "pg-"); err != nil {
		return nil, err
	}
	if owner != nil {
		for _, dir := range []string{s.dir, s.sockets} {
			if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// DSN is how to connect, on the Unix socket; the server listens on the loopback
// interface too, at Addr.
func (s *Server) DSN() string {
	return fmt.Sprintf("host=%s port=%s user=%s dbname=postgres", s.sockets, s.port, user)
}

// Addr is host and port of the loopback interface, for a proxy to stand before.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

// DSN is how to connect to a server through the host and port of a proxy.
func DSN(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	return "host=" + host + " port=" + port + " user=" + user + " dbname=postgres sslmode=disable", nil
}

// Up starts the server, again if it was stopped or killed, and waits until it
// takes connections.
func (s *Server) Up(ctx context.Context) error {
	args := []string{"-D", s.data(), "-k", s.sockets, "-p", s.port, "-c", "listen_addresses=127.0.0.1"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd, err := s.command(context.WithoutCancel(ctx), "postgres", args...)
	if err != nil {
		return err
	}
	if s.Process, err = process.Start(cmd); err != nil {
		return err
	}
	return s.Ready(ctx, func(ctx context.Context) error {
		return s.run(ctx, "pg_isready", "-q", "-h", s.sockets, "-p", s.port)
	})
}

// Standby makes a copy of a running server that follows it by streaming. The
// name is what synchronous_standby_names knows it by.
func (s *Server) Standby(ctx context.Context, name string) (*Server, error) {
	f, err := prepare(Config{Settings: s.settings})
	if err != nil {
		return nil, err
	}
	err = s.run(ctx, "pg_basebackup", "-D", f.data(), "-h", s.sockets, "-p", s.port, "-U", user, "-X", "stream", "-c", "fast", "--no-sync")
	if err == nil {
		err = f.follow(s, name)
	}
	if err == nil {
		err = f.begin(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s *Server) follow(primary *Server, name string) error {
	conf, err := os.OpenFile(filepath.Join(s.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(conf, "primary_conninfo = 'host=%s port=%s user=%s application_name=%s'\n", primary.sockets, primary.port, user, name)
	return errors.Join(err, conf.Close(), os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644))
}

// Promote makes a standby the primary of a new timeline.
func (s *Server) Promote(ctx context.Context) error {
	return s.run(ctx, "pg_ctl", "promote", "-D", s.data(), "-w", "-t", strconv.Itoa(int(process.Patience/time.Second)))
}

// Kill ends the server's processes as a crash of all of them would, without a
// word. Up recovers it.
func (s *Server) Kill() error {
	children, err := s.children()
	if err != nil {
		return err
	}
	err = s.End(syscall.SIGKILL)
	for _, child := range children {
		if e := syscall.Kill(child, syscall.SIGKILL); e != nil && !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Stop shuts the server down in order, ending its connections.
func (s *Server) Stop() error { return s.End(syscall.SIGINT) }

// Close stops the server and removes what Start made.
func (s *Server) Close() error {
	var err error
	if s.Process != nil {
		err = s.Stop()
	}
	if s.made {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return errors.Join(err, os.RemoveAll(s.sockets))
}

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, process.Patience)
	defer cancel()
	cmd, err := s.command(ctx, name, args...)
	if err != nil {
		return err
	}
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(said)))
	}
	return nil
}

// command is one of PostgreSQL's programs, run as the server's user.
func (s *Server) command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := program(name)
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	return cmd, nil
}
