package embedded_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// BenchmarkCompareAndSet is what a compare-and-set costs, from the caller to the
// disk: callers side by side on about ten thousand keys of 100 bytes, each on its
// own. cpu-ns/op is the processor time of the process, which says more than the
// time that went by on a machine with other work.
func BenchmarkCompareAndSet(b *testing.B) {
	for _, callers := range []int{1, 64, 512, 4096} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) { compareAndSet(b, callers) })
	}
}

func compareAndSet(b *testing.B, callers int) {
	db, err := embedded.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 100)
	keys := 10_000 / callers
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ReportAllocs()
	before := used(b)
	b.ResetTimer()
	for c := range callers {
		all.Go(func() {
			since := make([]mainstem.Position, keys)
			for i := 0; left.Add(-1) >= 0; i++ {
				k := i % keys
				place := (c*keys + k) / len(names)
				name := names[(c*keys+k)%len(names)]
				r, err := db.Group(names[place]).Do(context.Background(), "", func(tx *mainstem.Txn) error {
					tx.Require(mainstem.KeyUnchanged{Name: name, Since: since[k]})
					tx.Put(name, value)
					return nil
				})
				if err != nil {
					b.Error(err)
					return
				}
				since[k] = r.Position
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(used(b)-before)/float64(b.N), "cpu-ns/op")
	waited := db.Figures().Partitions[0].Store.Waited
	b.ReportMetric(float64(waited.Nanoseconds())/float64(b.N), "waited-ns/op")
}

// used is the processor time of this process so far.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var names = func() (n [100]string) {
	for i := range n {
		n[i] = fmt.Sprint("name-", i)
	}
	return n
}()
