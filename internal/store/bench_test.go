package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// Figures of one goroutine over 10,000 warm keys of four versions each. Run:
//
//	go test -run - -bench . -cpu 1 ./internal/store

const (
	benchKeys     = 10_000
	benchVersions = 4
)

// benchPrefix is a name as the state writes it: kind, slot, group, name.
func benchPrefix(i int) []byte {
	return fmt.Appendf(nil, "k%c%cgroup-%d\x00name-%d\x00", i%100/16, i%100*16, i%100, i)
}

func benchAfter(prefix []byte) []byte {
	return append(append([]byte{}, prefix[:len(prefix)-1]...), 1)
}

func benchSuffix(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// benchStore holds versions of every key, flushed to tables, with some rows
// above them still in memory.
func benchStore(b testing.TB, keys int) *Store {
	b.Helper()
	s, err := Open(Config{FS: disk.NewMem(), Dir: "db", Memory: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 100)
	for v := range benchVersions {
		var writes []state.Write
		for i := range keys {
			writes = append(writes, state.Write{Key: append(benchPrefix(i), benchSuffix(^uint64(v))...), Value: value})
		}
		apply(b, s, writes...)
		if err := s.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	apply(b, s, put("a", "1"), put("z", "1"))
	return s
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b, benchKeys)
	defer closed(b, s)
	keys := make([][]byte, benchKeys)
	for i := range keys {
		keys[i] = append(benchPrefix(i), benchSuffix(^uint64(0))...)
	}
	for _, there := range []bool{true, false} {
		b.Run(fmt.Sprintf("there=%v", there), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for range b.N {
				key := keys[random.IntN(benchKeys)]
				if !there {
					key = key[:len(key)-1]
				}
				if _, ok, err := s.Rows().Get(key); ok != there || err != nil {
					b.Fatal(ok, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkFirst(b *testing.B) {
	s := benchStore(b, benchKeys)
	defer closed(b, s)
	var froms, tos, absentFroms, absentTos [benchKeys][]byte
	for i := range benchKeys {
		prefix := benchPrefix(i)
		froms[i], tos[i] = append(prefix, benchSuffix(0)...), benchAfter(prefix)
		absent := append(prefix[:len(prefix)-1:len(prefix)-1], "!\x00"...)
		absentFroms[i], absentTos[i] = append(absent, benchSuffix(0)...), benchAfter(absent)
	}
	for _, there := range []bool{true, false} {
		b.Run(fmt.Sprintf("there=%v", there), func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for range b.N {
				i := random.IntN(benchKeys)
				from, to := froms[i], tos[i]
				if !there {
					from, to = absentFroms[i], absentTos[i]
				}
				if _, ok, err := s.Rows().First(from, to); ok != there || err != nil {
					b.Fatal(ok, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkApply applies batches as a busy writer does: 200 transactions of
// three rows each.
func BenchmarkApply(b *testing.B) {
	s := benchStore(b, benchKeys)
	defer closed(b, s)
	random := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 100)
	const rows = 600
	b.ReportAllocs()
	for n := range b.N {
		writes := make([]state.Write, rows)
		for i := range writes {
			writes[i] = state.Write{Key: append(benchPrefix(random.IntN(benchKeys)), benchSuffix(^uint64(n))...), Value: value}
		}
		apply(b, s, writes...)
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}
