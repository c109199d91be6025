// Package strace watches from outside whether a process syncs before it
// answers. The process marks where an operation begins and ends by asking
// whether a file of a certain name exists, which the trace shows in order with
// its writes and syncs, and with those of every process it has started.
package strace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
)

// The marks. Nothing of these names exists.
const (
	opBegin, opEnd         = "mainstem-bench-op-begins", "mainstem-bench-op-ends"
	windowBegin, windowEnd = "mainstem-bench-window-begins", "mainstem-bench-window-ends"
)

// BeginOp marks that a request is about to be sent.
func BeginOp() { mark(opBegin) }

// EndOp marks that its reply is there.
func EndOp() { mark(opEnd) }

// BeginWindow marks where counting begins.
func BeginWindow() { mark(windowBegin) }

// EndWindow marks where it ends.
func EndWindow() { mark(windowEnd) }

func mark(name string) { _ = syscall.Access(name, 0) } // that it is not there is no news

// ErrMissing says that there is no strace, or that it may not trace.
var ErrMissing = errors.New("strace is not there or may not trace")

const traced = "trace=access,faccessat,faccessat2,open,openat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync"

// Wrap makes a command run under strace, which writes to the file out.
func Wrap(cmd *exec.Cmd, out string) error {
	program, err := exec.LookPath("strace")
	if err != nil {
		return fmt.Errorf("%w: %w; Debian's package is strace", ErrMissing, err)
	}
	args := []string{program, "-f", "-y", "-qq", "--seccomp-bpf", "-e", traced, "-e", "signal=none", "-s", "64", "-o", out, "--", cmd.Path}
	cmd.Path, cmd.Args = program, append(args, cmd.Args[1:]...)
	return nil
}

// Report is what a trace shows.
type Report struct {
	// Ops were marked; Unsynced of them were answered before what they had
	// written was synced, or wrote nothing.
	Ops, Unsynced int
	// Syncs returned within the window: fsync, fdatasync, and writes to files
	// opened to be synced by each write. A system that maps its files and calls
	// msync would look as if it did not sync; none of the peers does.
	Syncs int
}

var (
	line    = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)$`)
	path    = regexp.MustCompile(`^\(?-?\w+<([^>]*)>`)
	opened  = regexp.MustCompile(`= \d+<([^>]*)>`)
	through = regexp.MustCompile(`\bO_D?SYNC\b`)
	success = regexp.MustCompile(`\) += \d`)
)

// Read reads a trace. Only files below dir count.
func Read(trace io.Reader, dir string) (Report, error) {
	s := scan{
		dir: dir, pending: map[string]string{}, opening: map[string]bool{}, through: map[string]bool{}, dirty: map[string]bool{}, covers: map[string]bool{},
	}
	lines := bufio.NewScanner(trace)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			s.line(m[1], m[2], m[3] != "(", m[4])
		}
	}
	return s.report, lines.Err()
}

type scan struct {
	dir     string
	report  Report
	pending map[string]string // by process: what its unfinished call is about
	opening map[string]bool   // by process: whether its unfinished open asks for syncing writes
	through map[string]bool   // files whose writes are syncs
	dirty   map[string]bool   // files written since the operation began
	covers  map[string]bool   // by process: whether its sync began after such a write

	inOp, synced, inWindow bool
}

// line takes one line: the beginning of a call, its end, or both.
func (s *scan) line(pid, call string, resumed bool, rest string) {
	unfinished := strings.HasSuffix(rest, "<unfinished ...>")
	switch call {
	case "access", "faccessat", "faccessat2":
		if !resumed {
			s.mark(rest)
		}
		return
	case "open", "openat":
		s.open(pid, resumed, rest)
		return
	}
	about := s.pending[pid]
	if !resumed {
		about = ""
		if m := path.FindStringSubmatch(rest); m != nil && strings.HasPrefix(m[1], s.dir+"/") {
			about = m[1]
		}
	}
	if about == "" {
		delete(s.pending, pid)
		return
	}
	isSync := call == "fsync" || call == "fdatasync"
	if !resumed {
		s.dirty[about] = s.dirty[about] || !isSync
		s.covers[pid] = s.dirty[about]
	}
	if unfinished {
		s.pending[pid] = about
		return
	}
	delete(s.pending, pid)
	if (isSync || s.through[about]) && success.MatchString(rest) {
		s.sync(s.covers[pid])
	}
}

// open notes whether every write to the file will be a sync.
func (s *scan) open(pid string, resumed bool, rest string) {
	asked := s.opening[pid]
	if !resumed {
		asked = through.MatchString(rest)
	}
	s.opening[pid] = asked
	if m := opened.FindStringSubmatch(rest); m != nil {
		s.through[m[1]] = asked
	}
}

func (s *scan) sync(covers bool) {
	if s.inWindow {
		s.report.Syncs++
	}
	s.synced = s.synced || covers
}

func (s *scan) mark(rest string) {
	switch {
	case strings.Contains(rest, opBegin):
		s.inOp, s.synced = true, false
		clear(s.dirty)
		clear(s.covers)
	case strings.Contains(rest, opEnd) && s.inOp:
		s.inOp = false
		s.report.Ops++
		if !s.synced {
			s.report.Unsynced++
		}
	case strings.Contains(rest, windowBegin):
		s.inWindow = true
	case strings.Contains(rest, windowEnd):
		s.inWindow = false
	}
}
