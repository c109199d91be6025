package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is the server's first process, which starts the others.
type process struct {
	cmd    *exec.Cmd
	said   tail
	exited chan struct{}
}

// start runs it in a process group of its own, so that a key press does not
// reach it.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is told by what it said
		close(p.exited)
	}()
	return p, nil
}

// ready asks until the server answers, ends, or time is up.
func (p *process) ready(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("the server ended before it answered: %s", p.said.String())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer (%w): %s", err, p.said.String())
		}
	}
}

// end sends a signal and waits for the process; one that stays is killed.
func (p *process) end(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		<-p.exited
		return nil //nolint:nilerr // it has ended already
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		err := p.cmd.Process.Kill()
		<-p.exited
		return errors.Join(err, fmt.Errorf("the server had to be killed: %s", p.said.String()))
	}
}

// PID is the first process's.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Pause stops every process of the server where it is, and Resume lets them go on.
func (p *process) Pause() error  { return p.all(syscall.SIGSTOP) }
func (p *process) Resume() error { return p.all(syscall.SIGCONT) }

// all signals the first process and its children, each a group of its own.
func (p *process) all(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return err
	}
	children, err := p.children()
	for _, child := range children {
		if e := syscall.Kill(child, signal); e != nil && !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (p *process) children() (pids []int, err error) {
	pid := strconv.Itoa(p.PID())
	list, err := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // it has ended
	}
	if err != nil {
		return nil, err
	}
	for _, field := range strings.Fields(string(list)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

// tail keeps the end of what a server says, for an error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}

// program finds one of the server's programs, which Debian keeps off the path.
func program(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1], nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%w (%s)", ErrMissing, name)
}

// unprivileged is who runs a server, which refuses root: nobody. It is nil where
// this process is not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	nobody, err := osuser.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses root, and there is no user nobody: %w", err)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(nobody.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// freePort is a port of the loopback interface that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
