// Package s3server runs a service that speaks S3 before a directory, for tests.
package s3server

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mainstemdb/mainstem/internal/process"
)

// Bucket is the one there is, Key and Secret are whose it is.
const (
	Bucket = "backups"
	Key    = "operator"
	Secret = "not much of a secret"
)

// Server is one of them, on the loopback interface, with a directory of its own.
type Server struct{ dir, addr string }

// Start runs a server until the test ends. Where none is installed, the test is not run,
// and says so.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := exec.LookPath("versitygw")
	if err != nil {
		t.Skip("not run: no versitygw on the PATH: make .tmp/bin/versitygw builds the pinned one")
	}
	port, err := process.Port()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{dir: t.TempDir(), addr: "127.0.0.1:" + port}
	if err := os.Mkdir(filepath.Join(s.dir, Bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--quiet", "--port", s.addr, "posix", s.dir) //nolint:noctx // it outlives the test's context
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+Key, "ROOT_SECRET_ACCESS_KEY="+Secret)
	running, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.End(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	err = running.Ready(t.Context(), func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Addr is its host and port.
func (s *Server) Addr() string { return s.addr }

// File is where it keeps an object.
func (s *Server) File(name string) string { return filepath.Join(s.dir, Bucket, name) }
