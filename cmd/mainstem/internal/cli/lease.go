package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/lease"
)

type leaseCmd struct {
	database
	Name    string        `arg:"" name:"GROUP/NAME" help:"The lease, or NAME for one of that name in a group of that name."`
	Command []string      `arg:"" name:"COMMAND" passthrough:"" help:"What to run while the lease is held, after --."`
	TTL     time.Duration `name:"ttl" help:"Others are granted the lease at the earliest this long after this process has died." default:"10s" placeholder:"DURATION"`
	Try     bool          `help:"Do not wait: while somebody else holds it, exit code 4."`
}

// grace is how long a command may take to end after SIGTERM.
const grace = 5 * time.Second

// Help is shown below the flags.
func (*leaseCmd) Help() string {
	return `Waits until the lease is granted, runs the command, and gives the lease back. The fencing token is in MAINSTEM_FENCE: present it to whatever the command writes to, since a command that was paused does not know that it has lost the lease. When the lease is lost, the command and what it has begun get SIGTERM, five seconds later SIGKILL, and the exit code is 4; at a terminal it is the command alone, which has to end what it began. Otherwise it is the command's own.

Examples:

    mainstem lease billing/nightly -- ./bill.sh
    mainstem lease billing/nightly --ttl 30s --server http://127.0.0.1:7171 -- ./bill.sh
    mainstem lease billing --try -- sh -c 'echo "token $MAINSTEM_FENCE"'`
}

func (c *leaseCmd) Run(e *env) (err error) {
	db, err := c.open(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	hold := lease.Hold
	if c.Try {
		hold = lease.TryHold
	}
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return misused("give it after --", "there is no command to run")
	}
	return hold(e.ctx, db, c.Name, c.TTL, func(ctx context.Context, token mainstem.FencingToken) error {
		return e.exec(ctx, command, "MAINSTEM_FENCE="+tokenText(token))
	})
}

func tokenText(token mainstem.FencingToken) string {
	text, _ := token.MarshalText() // never fails
	return string(text)
}

// exec runs a command with this process's standard streams.
func (e *env) exec(ctx context.Context, command []string, variable string) error {
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Env = append(os.Environ(), variable)
	run.Stdin, run.Stdout, run.Stderr = e.in, e.out, e.err
	run.WaitDelay = grace
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	if in, ok := e.in.(*os.File); !ok || !term.IsTerminal(in.Fd()) {
		// A group of its own, so that what the command has begun ends with it. At a
		// terminal it would be in the background there, and could not read.
		run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGTERM) }
		defer func() {
			if ctx.Err() != nil && run.Process != nil {
				endGroup(run.Process.Pid)
			}
		}()
	}
	err := run.Run()
	var failed *exec.ExitError
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case errors.As(err, &failed) && failed.ExitCode() >= 0:
		return &problem{Code: "failed", Message: command[0] + ": " + failed.String(), exit: failed.ExitCode(), silent: true}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return misused("check the name and PATH", "%v", err)
	default:
		return err
	}
}

// endGroup waits until nothing of a group runs that was told to end, and kills what still
// does after the grace.
func endGroup(group int) {
	over := time.NewTimer(grace)
	defer over.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for syscall.Kill(-group, 0) == nil {
		select {
		case <-look.C:
		case <-over.C:
			_ = syscall.Kill(-group, syscall.SIGKILL) // it may have ended just now
			return
		}
	}
}
