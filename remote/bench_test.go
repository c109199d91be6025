package remote_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// BenchmarkCommit is the cost of the wire: the database is in memory.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			db := mainstemtest.OpenRemote(b)
			b.ReportAllocs()
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					for n := i; n < b.N; n += callers {
						_, err := db.Group("g").Do(b.Context(), "", func(tx *mainstem.Txn) error {
							tx.Put("k", make([]byte, 100))
							return nil
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// BenchmarkChanges is the cost of one change of a feed.
func BenchmarkChanges(b *testing.B) {
	db := mainstemtest.OpenRemote(b, embedded.Memory(256<<20))
	const count = 50_000
	var all sync.WaitGroup
	for i := range 256 {
		all.Go(func() {
			for n := i; n < count; n += 256 {
				_, err := db.Group("g").Do(b.Context(), "", func(tx *mainstem.Txn) error {
					tx.Put("k", make([]byte, 100))
					return nil
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		for batch, err := range db.Changes(b.Context(), mainstem.From{Drain: true}) {
			if err != nil {
				b.Fatal(err)
			}
			if n += len(batch.Changes); n >= b.N {
				break
			}
		}
	}
}
