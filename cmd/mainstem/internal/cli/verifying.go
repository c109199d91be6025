package cli

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/mainstemdb/mainstem/embedded"
)

// verifying replays the logs of a database beside the server, again and again. It finds
// a state that is not what its log says though every sum is right: memory that has
// failed, or a defect.
type verifying struct {
	db    *embedded.DB
	every time.Duration
	dir   string // of the database
	log   *slog.Logger
	seen  func([]embedded.Verification)
}

// How much of a processor verifying takes: after so much work it rests, so many times as long.
const (
	verifySlice = 10 * time.Millisecond
	verifyRest  = 19
)

// begin verifies in the background until stop is called. The first time comes soon
// after the start, or a server that is restarted each day would never do it.
func (v *verifying) begin(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if v.every == 0 {
			return
		}
		for pause := v.every / 24; rest(ctx, pause); pause = v.every {
			v.once(ctx)
		}
	}()
	return func() { cancel(); <-ended }
}

func (v *verifying) once(ctx context.Context) {
	if v.db.Guarantees().Engine != "file" {
		return // nodes that share a log compare their states by themselves
	}
	began, f := time.Now(), v.db.Figures()
	var stored int64
	for _, p := range f.Partitions {
		stored += p.Store.Bytes
	}
	if f.Free >= 0 && f.Free < 2*stored {
		v.log.Warn("the log is not verified: the disk has less than twice as much room as the state takes", "free", f.Free, "state", stored)
		return
	}
	found, err := v.db.Verify(ctx, filepath.Join(v.dir, "verify"), paced(ctx))
	v.seen(found)
	for _, p := range found {
		if p.Problem != "" {
			v.log.Error("the log does not verify", "partition", p.Partition, "problem", p.Problem)
		}
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		v.log.Warn("the log could not be verified; it is tried again", "err", err, "in", v.every)
	default:
		v.log.Info("the log was replayed beside the server, and compared", "partitions", len(found), "took", time.Since(began).Round(time.Millisecond))
	}
}

// paced rests after each slice of work.
func paced(ctx context.Context) func(int, uint64, uint64) {
	began := time.Now()
	return func(int, uint64, uint64) {
		if worked := time.Since(began); worked >= verifySlice {
			rest(ctx, verifyRest*worked)
			began = time.Now()
		}
	}
}

// rest waits, unless ctx ends before.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
