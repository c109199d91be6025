//go:build unix

package observe_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/observe"
)

// BenchmarkCommit is what a commit costs the processor with a disk that takes no
// time, from 64 callers: plain, and observed. What the observer takes is the
// difference; beside a disk that syncs it is nothing.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		name string
		opts []embedded.Option
	}{
		{"plain", nil},
		{"observed", []embedded.Option{embedded.Through(observe.New().Backend)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			db, err := embedded.Open(b.Context(), "db", append(c.opts, embedded.OnDisk(disk.NewMem()))...)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			commits(b, db.Backend())
		})
	}
}

// BenchmarkObserver is the observer alone, before a Backend that does nothing.
func BenchmarkObserver(b *testing.B) {
	b.ReportAllocs()
	backend := observe.New().Backend(idle{})
	x := &mainstem.Transaction{Group: "g", Operations: []mainstem.Operation{put("k")}}
	for b.Loop() {
		if _, err := backend.Commit(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
}

type idle struct{ mainstem.Backend }

func (idle) Commit(ctx context.Context, _ *mainstem.Transaction) (*mainstem.Receipt, error) {
	return &done, ctx.Err()
}

var done = mainstem.Receipt{Position: 1}

func commits(b *testing.B, backend mainstem.Backend) {
	const callers = 64
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	db := mainstem.New(backend)
	value := make([]byte, 100)
	b.ReportAllocs()
	b.ResetTimer()
	before := processor(b)
	for c := range callers {
		all.Go(func() {
			group := db.Group(fmt.Sprint("caller-", c))
			for left.Add(-1) >= 0 {
				if _, err := group.Do(b.Context(), "", func(tx *mainstem.Txn) error { tx.Put("k", value); return nil }); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
}

// processor is how much of it the process has had, in nanoseconds: unlike the time
// that passed, it counts little of what others do to the machine.
func processor(b *testing.B) int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
