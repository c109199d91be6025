package backup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// sorted are rows in memory.
type sorted []state.Row

func (s sorted) Get([]byte) ([]byte, bool, error)                 { return nil, false, nil }
func (s sorted) First(_, _ []byte) (state.Row, bool, error)       { return state.Row{}, false, nil }
func (s sorted) ScanBack(_, _ []byte) iter.Seq2[state.Row, error] { return nil }
func (s sorted) Scan(_, _ []byte) iter.Seq2[state.Row, error] {
	return func(yield func(state.Row, error) bool) {
		for _, row := range s {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// counting is a store that counts, and refuses after so many puts.
type counting struct {
	blob.Store
	puts   []string
	refuse int
}

var errRefused = errors.New("the store refuses")

func (c *counting) Put(ctx context.Context, name string, data []byte) error {
	if c.refuse > 0 && len(c.puts) == c.refuse {
		return errRefused
	}
	c.puts = append(c.puts, name)
	return c.Store.Put(ctx, name, data)
}

var database = record.UUID{1, 2, 3}

// source is a state of about so many bytes that ends in a record of an index.
func source(t *testing.T, index uint64, size int) Source {
	t.Helper()
	rec := &record.Record{Header: record.Header{Version: record.First, Index: index, Database: database, Incarnation: 7, First: 1}}
	stored, err := record.Encode(nil, rec)
	if err != nil {
		t.Fatal(err)
	}
	var rows sorted
	r := rand.New(rand.NewPCG(index, 1))
	for i := 0; size > 0; i++ {
		value := make([]byte, 8+r.IntN(100_000))
		for k := 0; k+8 <= len(value); k += 8 {
			binary.LittleEndian.PutUint64(value[k:], r.Uint64()&0x0F0F0F0F0F0F0F0F)
		}
		rows = append(rows, state.Row{Key: fmt.Appendf(nil, "k%08d", i), Value: value})
		size -= len(value)
	}
	tail := &state.Tail{
		Head: journal.Head{Index: index, Hash: journal.Sum(stored), Slot: index + 5}, Last: mainstem.Position(index * 3), Database: database,
		Incarnation: 7, Genesis: record.Genesis{Partitions: 1},
	}
	return Source{Rows: rows, Tail: tail, Record: stored, Node: "a"}
}

func write(t *testing.T, s blob.Store, from Source) (Ref, *Manifest) {
	t.Helper()
	r, m, err := Write(t.Context(), s, from)
	if err != nil {
		t.Fatal(err)
	}
	return r, m
}

// TestWhatIsWrittenIsRead, row by row.
func TestWhatIsWrittenIsRead(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	from := source(t, 10, 10<<20)
	r, m := write(t, s, from)
	if len(m.Chunks) < 3 {
		t.Errorf("%d chunks of 10 MiB; the limit of one is %d bytes", len(m.Chunks), limitChunk)
	}
	again, err := r.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	i, rows := 0, from.Rows.(sorted)
	err = Read(t.Context(), s, r, again, func(row state.Row) error {
		if !bytes.Equal(row.Key, rows[i].Key) || !bytes.Equal(row.Value, rows[i].Value) {
			t.Fatalf("row %d is another one", i)
		}
		i++
		return nil
	})
	if err != nil || i != len(rows) {
		t.Errorf("%d of %d rows, %v", i, len(rows), err)
	}
	if stored, err := Record(t.Context(), s, r, again); err != nil || !bytes.Equal(stored, from.Record) {
		t.Errorf("the record that it ends in: %v", err)
	}
}

// TestGoesOn: interrupted at every single put, a snapshot that is written again puts only
// what is not there, and comes out the same. Without its manifest it is none.
func TestGoesOn(t *testing.T) {
	from := source(t, 10, 10<<20)
	whole := &counting{Store: dir.OnDisk(disk.NewMem(), "blobs")}
	write(t, whole, from)
	for n := 1; n < len(whole.puts); n++ {
		s := &counting{Store: dir.OnDisk(disk.NewMem(), "blobs"), refuse: n}
		if _, _, err := Write(t.Context(), s, from); !errors.Is(err, errRefused) {
			t.Fatalf("the store refused after %d puts: %v", n, err)
		}
		if all, err := List(t.Context(), s, database, 0); err != nil || len(all) > 0 {
			t.Errorf("after %d of %d puts it counts: %v, %v", n, len(whole.puts), all, err)
		}
		s.refuse = 0
		r, m := write(t, s, from)
		if !slices.Equal(s.puts, whole.puts) {
			t.Errorf("interrupted after %d puts, all puts are %q; want each once", n, s.puts)
		}
		if err := Verify(t.Context(), s, r, m); err != nil {
			t.Errorf("interrupted after %d puts: %v", n, err)
		}
	}
}

// damaging flips a bit of what a store returns.
type damaging struct {
	blob.Store
	name string
	bit  int
}

func (d damaging) Get(ctx context.Context, name string) ([]byte, error) {
	data, err := d.Store.Get(ctx, name)
	if err == nil && name == d.name {
		data[d.bit/8%len(data)] ^= 1 << (d.bit % 8)
	}
	return data, err
}

// TestDamageIsFound wherever it is, also below the store's own hash, and a blob that is
// gone as well; and the older snapshot is what is left (L12).
func TestDamageIsFound(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	older, _ := write(t, s, source(t, 10, 1<<20))
	newer, _ := write(t, s, source(t, 20, 9<<20))
	names, err := s.List(t.Context(), newer.at())
	if err != nil || len(names) < 5 {
		t.Fatalf("%q, %v", names, err)
	}
	all, err := List(t.Context(), s, database, 0)
	if err != nil || !slices.Equal(all, []Ref{newer, older}) {
		t.Fatalf("%v, %v", all, err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		for range 3 {
			bit := r.IntN(1 << 20)
			good, m, bad := Good(t.Context(), damaging{s, name, bit}, all, 2)
			if len(good) != 1 || good[0] != older || m.Index != 10 || len(bad) != 1 {
				t.Errorf("bit %d of %s is flipped: %v are good, %v (L12)", bit, name, good, bad)
			}
		}
	}
	for _, name := range names {
		data, err := s.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if good, _, _ := Good(t.Context(), s, all, 2); len(good) != 1 || good[0] != older {
			t.Errorf("%s is gone: %v are good", name, good)
		}
		if err := s.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadBack: a snapshot that cannot be read back does not count, and the next try does
// not build on what is damaged.
func TestReadBack(t *testing.T) {
	under := dir.OnDisk(disk.NewMem(), "blobs")
	from := source(t, 10, 5<<20)
	_, m := write(t, dir.OnDisk(disk.NewMem(), "elsewhere"), from)
	r := Ref{Database: database, Incarnation: 7, Index: 10, node: sum([]byte("a"))[:8]}
	if _, _, err := Write(t.Context(), damaging{under, m.Chunks[0].name(r.at(), 1), 9}, from); !errors.Is(err, blob.ErrCorrupt) {
		t.Fatalf("it was read back damaged: %v", err)
	}
	if _, _, err := Write(t.Context(), under, from); err != nil {
		t.Errorf("and then sound: %v", err)
	}
}

// TestAForeignSnapshotIsRefused: what is of another database, under this one's name (L2).
func TestAForeignSnapshotIsRefused(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	theirs, _ := write(t, s, source(t, 10, 1000))
	ours := theirs
	ours.Database = record.UUID{9}
	text, err := s.Get(t.Context(), theirs.manifest())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), ours.manifest(), text); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Load(t.Context(), s); !errors.Is(err, blob.ErrCorrupt) || !strings.Contains(err.Error(), "(L2)") {
		t.Errorf("another database's snapshot is taken: %v (L2)", err)
	}
}

// TestPrune: what is older goes, finished or not; what is newer, of another incarnation,
// partition or database stays; and two that prune at the same time do no harm.
func TestPrune(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	var refs []Ref
	for _, index := range []uint64{10, 20, 30, 40} {
		r, _ := write(t, s, source(t, index, 1000))
		refs = append(refs, r)
	}
	left := &counting{Store: s, refuse: 1}
	for _, index := range []uint64{15, 45} {
		left.puts = nil
		if _, _, err := Write(t.Context(), left, source(t, index, 1000)); !errors.Is(err, errRefused) {
			t.Fatal(err)
		}
	}
	ended := source(t, 5, 1000)
	ended.Tail.Incarnation = 3
	endedRef, _ := write(t, s, ended)
	stale, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Prune(t.Context(), listing{s, stale}, refs[2]); err != nil {
			t.Fatal(err)
		}
		all, err := List(t.Context(), s, database, 0)
		if err != nil || !slices.Equal(all, []Ref{refs[3], refs[2], endedRef}) {
			t.Errorf("after pruning below record 30 there are %v, %v", all, err)
		}
	}
	names, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	unfinished := 0
	for _, name := range names {
		if r, _, _ := refOf(name); r.Index == 15 {
			t.Errorf("%s was never finished, is old, and is kept", name)
		} else if r.Index == 45 {
			unfinished++
		}
	}
	if unfinished != 1 {
		t.Errorf("%d blobs of the snapshot that is being written are left, want the one there was", unfinished)
	}
}

// listing is a store whose list is as it was.
type listing struct {
	blob.Store
	names []string
}

func (l listing) List(_ context.Context, prefix string) ([]string, error) {
	return slices.DeleteFunc(slices.Clone(l.names), func(name string) bool { return !strings.HasPrefix(name, prefix) }), nil
}

// FuzzChunk: whatever a store returns, rows come out in order or not at all.
func FuzzChunk(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendRow(appendRow(nil, state.Row{Key: []byte("a"), Value: []byte("b")}), state.Row{Key: []byte("c")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := unpack(b); err == nil && len(plain) > blob.LimitBlob {
			t.Errorf("%d bytes are unpacked to %d", len(b), len(plain))
		}
		var last []byte
		_, _, err := rows(b, nil, func(row state.Row) error {
			if bytes.Compare(last, row.Key) >= 0 {
				t.Error("rows out of order")
			}
			last = append([]byte(nil), row.Key...)
			return nil
		})
		if err != nil && !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%v is not damage", err)
		}
	})
}

// FuzzManifest: whatever parses is held to its check.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeManifest(text)
		if err != nil {
			return
		}
		if want, err := m.sum(); err != nil || want != m.Check {
			t.Error("a manifest without its check is taken")
		}
	})
}

// TestManifestIsHeldToItsCheck: a digit of it is another one, and it still parses (L12).
func TestManifestIsHeldToItsCheck(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	r, m := write(t, s, source(t, 10, 1000))
	text, err := s.Get(t.Context(), r.manifest())
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{`"slot":15`, `"slot":16`}, {`"position":"30"`, `"position":"31"`}, {`"node":"a"`, `"node":"b"`}, {m.Check[:8], "00000000"}} {
		other := strings.Replace(string(text), change[0], change[1], 1)
		if other == string(text) {
			t.Fatalf("no %s in %s", change[0], text)
		}
		if _, err := decodeManifest([]byte(other)); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%s instead of %s: %v, want corrupt (L12)", change[1], change[0], err)
		}
	}
	newer := strings.Replace(string(text), `"format":1`, `"format":2`, 1)
	if _, err := decodeManifest([]byte(newer)); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("a newer format: %v, want invalid", err)
	}
}
