package demo

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/netns"
	"github.com/mainstemdb/mainstem/remote"
)

// holder is the parent's handle on the process that holds the database. One
// goroutine at a time starts, kills and stops it.
type holder struct {
	exe, dir, socket string
	listen           string      // address of the server that the process is, instead of the socket
	remote           *remote.DB  // a client of it
	power            uint64      // seed of the power cuts; 0 for none
	more             []string    // further arguments of the process
	on               *netns.Host // where it runs; nil for here
	died             func(error) // told when the process ends though nobody has ended it

	starts uint64
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan error
	said   *tail
	down   atomic.Bool // from before a kill until calls are answered again
}

// startTime is how long a start may take before the demo gives up.
const startTime = 30 * time.Second

// start starts the process and waits until it answers calls.
func (h *holder) start(ctx context.Context) error {
	args := append([]string{"demo-holder", "--dir", h.dir, "--socket", h.socket}, h.more...)
	if h.listen != "" {
		args = append(args, "--listen", h.listen)
	}
	if h.power != 0 { // another seed for each start, or each cut would be the same
		args = append(args, "--power", strconv.FormatUint(h.power+h.starts, 10))
	}
	h.starts++
	h.down.Store(true)
	said := &tail{}
	h.said = said
	if h.on != nil {
		h.cmd = h.on.Command(h.exe, args...)
	} else {
		h.cmd = exec.Command(h.exe, args...) //nolint:gosec,noctx // this program itself, which outlives a call
	}
	h.cmd.Stderr = h.said
	stdin, err := h.cmd.StdinPipe()
	if err != nil {
		return err
	}
	h.stdin = stdin
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := h.cmd.Start(); err != nil {
		return err
	}
	ready, exited, cmd := make(chan bool, 1), make(chan error, 1), h.cmd
	h.exited = exited
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		ready <- line == "ready\n"
		err := cmd.Wait()
		exited <- err
		if !h.down.Load() {
			h.died(endedBySelf(err, said))
		}
	}()
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case ok := <-ready:
		if !ok {
			return fmt.Errorf("the process that holds the database did not start: %w: %s", <-exited, h.said)
		}
		h.down.Store(false)
		select {
		case err := <-exited: // perhaps before that, unseen
			exited <- err
			return endedBySelf(err, said)
		default:
			return nil
		}
	case <-timer.C:
		return fmt.Errorf("the process that holds the database was not ready within %s: %s", startTime, h.said)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// line is a shopper's line to the process. All lines to a server share one client,
// as the goroutines of a service do.
func (h *holder) line() *client {
	if h.remote != nil {
		return &client{remote: h.remote.DB}
	}
	return &client{socket: h.socket}
}

// strike kills the process and starts it again.
func (h *holder) strike(ctx context.Context) error {
	if err := h.kill(); err != nil {
		return err
	}
	return h.start(ctx)
}

func (h *holder) away() bool { return h.down.Load() }

func (h *holder) read(ctx context.Context) (*embedded.DB, error) {
	if err := h.stop(); err != nil {
		return nil, err
	}
	db, err := Holder{Dir: h.dir, PowerSeed: h.power}.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the database for the audit: %w", err)
	}
	return db, nil
}

// kill ends the process, and only it, with SIGKILL, and waits until it is gone.
func (h *holder) kill() error {
	h.down.Store(true)
	if err := h.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("killing process %d: %w: %s", h.cmd.Process.Pid, err, h.said)
	}
	<-h.exited //nolint:errcheck // killed, as asked; with the process gone, its pipes are closed
	h.cmd = nil
	return nil
}

func endedBySelf(err error, said *tail) error {
	return &breakage{fmt.Errorf("the process that holds the database ended by itself: %w: %s", cmp.Or(err, errors.New("exit code 0")), said)}
}

// stop asks for a clean end.
func (h *holder) stop() error {
	h.down.Store(true)
	if err := h.stdin.Close(); err != nil {
		return err
	}
	select {
	case err := <-h.exited:
		h.cmd = nil
		if err != nil {
			return fmt.Errorf("the process that holds the database ended with: %w: %s", err, h.said)
		}
		return nil
	case <-time.After(startTime):
		return errors.New("the process that holds the database did not stop when asked")
	}
}

// end makes sure that nothing is left running, however a run ended.
func (h *holder) end() {
	if h.cmd != nil && h.cmd.Process != nil {
		_ = h.kill() // it may have ended by itself
	}
	if h.remote != nil {
		_ = h.remote.Close() // nobody waits for it
	}
}

// tail keeps the last of what a process said on standard error.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 2000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	t.last = t.last[max(0, len(t.last)-most):]
	return len(b), nil
}

// String is what was said, on one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(bytes.TrimSpace(t.last)) == 0 {
		return "it said nothing"
	}
	return strings.Join(strings.Fields(string(t.last)), " ")
}
