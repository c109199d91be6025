package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mainstemdb/mainstem/internal/process"
)

// Pause stops every process of the server where it is, and Resume lets them go on.
func (s *Server) Pause() error  { return s.all(syscall.SIGSTOP) }
func (s *Server) Resume() error { return s.all(syscall.SIGCONT) }

// all signals the first process and its children, each a group of its own.
func (s *Server) all(signal syscall.Signal) error {
	if err := s.Signal(signal); err != nil {
		return err
	}
	children, err := s.children()
	for _, child := range children {
		e := syscall.Kill(child, signal)
		if e == nil && signal == syscall.SIGSTOP {
			e = process.AwaitStop(child)
		}
		if !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (s *Server) children() (pids []int, err error) {
	pid := strconv.Itoa(s.PID())
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
