package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// AwaitStop returns once every thread of a process that got SIGSTOP is stopped, or has
// ended: the signal itself is only sent, and a thread that runs may go on for a while.
func AwaitStop(pid int) error {
	threads := filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(Patience); time.Now().Before(until); <-tick.C {
		running, err := anyRuns(threads)
		if err != nil || !running {
			return err
		}
	}
	return fmt.Errorf("process %d got SIGSTOP %s ago and is not stopped", pid, Patience)
}

// anyRuns reads the states of threads. Source: proc_pid_stat(5).
func anyRuns(threads string) (bool, error) {
	stats, err := filepath.Glob(threads)
	if err != nil {
		return false, err
	}
	for _, stat := range stats {
		line, err := os.ReadFile(stat)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended, before it was opened or after
		}
		if err != nil {
			return false, err
		}
		// The name before the state may have any character in it.
		state := bytes.TrimPrefix(line[bytes.LastIndexByte(line, ')')+1:], []byte(" "))
		if len(state) > 0 && !bytes.ContainsRune([]byte("TtZX"), rune(state[0])) {
			return true, nil
		}
	}
	return false, nil
}
