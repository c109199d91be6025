package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
	"github.com/mainstemdb/mainstem/internal/process"
)

// pods are the processes of one service.
type pods struct {
	args    []string // what all of them are started with
	dir     string
	running map[string]*running
}

type running struct {
	*process.Process
	stdin io.Closer // it ends when this does
}

// podNames are the pods of each run.
var podNames = []string{"pod-1", "pod-2", "pod-3"}

// start starts a pod and waits until it answers.
func (p *pods) start(ctx context.Context, name string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, append([]string{"pod", "-name", name}, p.args...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	started, err := process.Start(cmd)
	if err != nil {
		return err
	}
	p.running[name] = &running{started, stdin}
	client := wire.Client(p.dir, time.Second)
	defer client.CloseIdleConnections()
	return started.Ready(ctx, func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+name+"/ready", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})
}

// kill ends a pod by SIGKILL.
func (p *pods) kill(name string) error {
	if err := p.alive(name); err != nil {
		return err
	}
	return p.running[name].End(syscall.SIGKILL)
}

// signal stops a pod where it is, or lets it go on.
func (p *pods) signal(name string, s syscall.Signal) error {
	if err := p.alive(name); err != nil {
		return err
	}
	return p.running[name].Signal(s)
}

// alive fails if a pod has ended by itself.
func (p *pods) alive(name string) error {
	if err := p.running[name].Signal(syscall.Signal(0)); err != nil {
		return fmt.Errorf("%s has ended by itself (%w); its log is %s/%s.log", name, err, p.dir, name)
	}
	return nil
}

// stop asks all pods to end, and makes sure that they do.
func (p *pods) stop() {
	for _, pod := range p.running {
		_ = pod.stdin.Close() // it may have ended
	}
	for _, pod := range p.running {
		_ = pod.Signal(syscall.SIGCONT)
		_ = pod.End(syscall.SIGTERM)
	}
}
