package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// Where an embedded database of one partition keeps what it has.
const partitionDir = "p0000"

func logDir(db string) string   { return filepath.Join(db, partitionDir, "log") }
func stateDir(db string) string { return filepath.Join(db, partitionDir, "state") }

// die fills a log and ends by SIGKILL, so that nothing is closed.
func die(ctx context.Context, job *Job) ([]Figure, error) {
	if _, err := filled(ctx, job); err != nil {
		return nil, err
	}
	return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// replay opens a copy of a database that was killed, again and again, and counts
// the transactions per second that it found in its log and not in its state.
func replay(ctx context.Context, job *Job) ([]Figure, error) {
	f := Figure{Latencies: load.NewLatencies()}
	recorder := load.NewRecorder()
	for f.Elapsed < job.For {
		took, n, size, settings, err := reopen(ctx, job)
		if err != nil {
			return nil, err
		}
		recorder.Record(0, took)
		f.Ops, f.Elapsed, f.Replayed, f.LogBytes, f.Settings = f.Ops+n, f.Elapsed+took, n, size, settings
		if n == 0 {
			return nil, errors.New("nothing was left to replay: the log was too short")
		}
	}
	f.Latencies = recorder.Latencies()
	f.Note = "the quantiles are of whole openings"
	return []Figure{f}, nil
}

func reopen(ctx context.Context, job *Job) (took time.Duration, replayed, size int64, settings map[string]string, err error) {
	scratch := filepath.Join(job.Dir, "..", filepath.Base(job.Dir)+"-reopened")
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := os.RemoveAll(scratch); err != nil {
		return 0, 0, 0, nil, err
	}
	if err := os.CopyFS(scratch, os.DirFS(job.Dir)); err != nil {
		return 0, 0, 0, nil, err
	}
	if job.Anew {
		if err := os.RemoveAll(stateDir(scratch)); err != nil {
			return 0, 0, 0, nil, err
		}
	}
	had, err := durable(stateDir(scratch))
	if err != nil {
		return 0, 0, 0, nil, err
	}
	if size, err = dirSize(logDir(scratch)); err != nil {
		return 0, 0, 0, nil, err
	}
	memory := job.Memory
	if memory == 0 {
		memory = embedded.DefaultMemory
	}
	from := time.Now()
	s, err := peer.OpenMainstem(ctx, peer.Config{Dir: scratch, Memory: memory})
	if err != nil {
		return 0, 0, 0, nil, err
	}
	took = time.Since(from)
	defer func() { err = errors.Join(err, s.Close()) }()
	at, err := position(ctx, s)
	settings = s.Settings()
	settings["killed_by"] = "SIGKILL"
	settings["state_was_at"] = fmt.Sprint(had)
	return took, int64(at - had), size, settings, err
}

// durable is the position up to which a state has everything.
func durable(dir string) (mainstem.Position, error) {
	if ok, err := disk.Exists(disk.Default, dir); err != nil || !ok {
		return 0, err
	}
	s, err := store.Open(store.Config{FS: disk.Default, Dir: dir, Memory: 16 << 20, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	tail, err := state.LoadTail(s.Rows())
	if err = errors.Join(err, s.Close()); err != nil {
		return 0, err
	}
	return tail.Last, nil
}

func dirSize(dir string) (n int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, nil
}
