package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/server"
)

// ServeVariable names the directory that a process of this program is to serve: a
// server that its clients do not share a process with.
const ServeVariable = "MAINSTEM_BENCH_SERVE"

// Serve serves a directory, says where, and ends with its input.
func Serve(dir string, in io.Reader, out io.Writer) int {
	if err := serve(dir, in, out); err != nil {
		fmt.Fprintln(os.Stderr, "bench: serving:", err)
		return 1
	}
	return 0
}

func serve(dir string, in io.Reader, out io.Writer) (err error) {
	db, err := embedded.Open(context.Background(), dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := server.HTTP(server.New(db.Backend()))
	go web.Serve(listener) // ends with Close, and says so
	if _, err := fmt.Fprintf(out, "http://%s\n", listener.Addr()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, in) // its end is what counts
	return web.Close()
}

// Apart is a server in a process of its own.
type Apart struct {
	Address string
	cmd     *exec.Cmd
	in      io.Closer
}

// StartApart starts one.
func StartApart(dir string) (*Apart, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ServeVariable+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	a := &Apart{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server said nothing: %w", err), a.Close())
	}
	a.Address = strings.TrimSpace(line)
	return a, nil
}

// PID is the process of the server.
func (a *Apart) PID() int { return a.cmd.Process.Pid }

// Do is for what measures operations; this is only a server.
func (*Apart) Do(context.Context, *Op) (uint64, error) { return 0, errors.ErrUnsupported }

// Settings say how it is reached.
func (*Apart) Settings() map[string]string {
	return map[string]string{"reached": "loopback TCP, plain, a process of its own", "memory": "256 MiB", "partitions": "1"}
}

// Close ends it.
func (a *Apart) Close() error { return errors.Join(a.in.Close(), a.cmd.Wait()) }
