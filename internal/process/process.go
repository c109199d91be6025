// Package process runs a server as a child, for tests and measurements: until it
// answers, and until it has ended.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Patience is how long a server may take to start or to stop.
const Patience = 30 * time.Second

// Process is a server that was started.
type Process struct {
	cmd    *exec.Cmd
	said   tail
	exited chan struct{}
}

// Start runs it in a process group of its own, so that a key press does not
// reach it. On Linux it ends when this process does, however that ends.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	endsWithParent(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that has started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is told by what it said
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Ready asks until the server answers, ends, or time is up.
func (p *Process) Ready(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
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

// End sends a signal and waits for the process; one that stays is killed.
func (p *Process) End(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		<-p.exited
		return nil //nolint:nilerr // it has ended already
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(Patience):
		err := p.cmd.Process.Kill()
		<-p.exited
		return errors.Join(err, fmt.Errorf("the server had to be killed: %s", p.said.String()))
	}
}

// Signal sends a signal to a process that has not ended. After SIGSTOP it is stopped.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil || signal != syscall.SIGSTOP {
		return err
	}
	return AwaitStop(p.PID())
}

// PID is the process's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

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
