package embedded_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// BenchmarkCompareAndSet is what a compare-and-set costs the processor, from
// the caller to the state, with a disk that takes no time: 512 callers, each
// on its own keys of 100 bytes.
func BenchmarkCompareAndSet(b *testing.B) {
	db, err := embedded.Open(b.Context(), "db", embedded.OnDisk(disk.NewMem()))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const callers, keys = 512, 20
	value := make([]byte, 100)
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for c := range callers {
		all.Go(func() {
			group := db.Group(fmt.Sprint("caller-", c))
			var since [keys]mainstem.Position
			for i := 0; left.Add(-1) >= 0; i++ {
				k := i % keys
				r, err := group.Do(b.Context(), "", func(tx *mainstem.Txn) error {
					tx.Require(mainstem.KeyUnchanged{Name: names[k], Since: since[k]})
					tx.Put(names[k], value)
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
}

var names = func() (n [20]string) {
	for i := range n {
		n[i] = fmt.Sprint("key-", i)
	}
	return n
}()
