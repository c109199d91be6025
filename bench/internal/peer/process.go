package peer

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a server that was started for one visit.
type process struct {
	cmd    *exec.Cmd
	said   tail
	exited chan struct{}
}

// start runs a server in a process group of its own, so that a key press that
// ends the benchmark lets it be stopped in order.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
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

// ready calls ask until it answers, the server ends, or time is up.
func (p *process) ready(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
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
			return fmt.Errorf("%s ended before it answered: %s", p.cmd.Path, p.said.String())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer (%w): %s", p.cmd.Path, err, p.said.String())
		}
	}
}

// stop asks the server to end, and kills it if it does not.
func (p *process) stop(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return nil //nolint:nilerr // it has ended already
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(startTimeout):
		if err := p.cmd.Process.Kill(); err != nil {
			return err
		}
		<-p.exited
		return fmt.Errorf("%s had to be killed", p.cmd.Path)
	}
}

// tail keeps the end of what a server says, for an error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 2 << 10
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
