// Package s3server runs a service that speaks S3 before a directory, for tests.
package s3server

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/mainstemdb/mainstem/internal/process"
)

// ErrMissing says that there is no versitygw on the PATH.
var ErrMissing = errors.New("no versitygw on the PATH: make .tmp/bin/versitygw builds the pinned one")

// Bucket is the one there is, Key and Secret are whose it is.
const (
	Bucket = "backups"
	Key    = "operator"
	Secret = "not much of a secret"
)

// Server is one of them, on the loopback interface, with a directory of its own.
type Server struct {
	dir, addr string
	process   *process.Process
}

// Start runs a server, and waits until it is there.
func Start(ctx context.Context) (*Server, error) {
	program, err := exec.LookPath("versitygw")
	if err != nil {
		return nil, ErrMissing
	}
	s := &Server{}
	if s.dir, err = os.MkdirTemp("", "s3-"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(s.dir, Bucket), 0o700); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	port, err := process.Port()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.addr = "127.0.0.1:" + port
	cmd := exec.Command(program, "--quiet", "--port", s.addr, "posix", s.dir) //nolint:noctx // it outlives the call
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+Key, "ROOT_SECRET_ACCESS_KEY="+Secret)
	if s.process, err = process.Start(cmd); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	err = s.process.Ready(ctx, func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Addr is its host and port.
func (s *Server) Addr() string { return s.addr }

// File is where it keeps an object.
func (s *Server) File(name string) string { return filepath.Join(s.dir, Bucket, name) }

// Close ends the server and removes what it stored.
func (s *Server) Close() error {
	var errs []error
	if s.process != nil {
		errs = append(errs, s.process.End(syscall.SIGKILL))
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
