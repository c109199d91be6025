package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// rounds scales the number of random rounds by MAINSTEM_ROUNDS.
func rounds(n int) int {
	factor, err := strconv.ParseFloat(os.Getenv("MAINSTEM_ROUNDS"), 64)
	if err != nil {
		return n
	}
	return max(1, int(float64(n)*factor))
}

// alone skips a test in which nothing runs beside anything else in a run with a fraction
// of the rounds: that is one for the race detector.
func alone(t *testing.T) {
	t.Helper()
	if rounds(10) < 10 {
		t.Skip("not run: one thing after the other, everywhere, in a run with a fraction of the rounds; a whole run has it")
	}
}

// seeds yields n seeds, or the one in MAINSTEM_SEED alone.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("MAINSTEM_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("MAINSTEM_SEED: %v", err)
		}
		return []uint64{seed}
	}
	all := make([]uint64, rounds(n))
	for i := range all {
		all[i] = uint64(i) + 1
	}
	return all
}

// config is the one of the random tests: small segments, and no note unless a
// test asks for it, so that one goroutine does every file operation.
func config(fs disk.FS) file.Config {
	return file.Config{FS: fs, Dir: "log", SegmentSize: segment, NoteAfter: time.Hour}
}

// world is a log under a workload, with an independent record of what was
// acknowledged.
type world struct {
	rng   *rand.Rand
	fs    disk.FS
	log   *file.Log
	notes time.Duration

	mu      sync.Mutex
	acked   []journal.Head // acked[i] has index i+1
	attempt []byte         // the record in flight, nil if none
	trimmed uint64         // highest slot that a trim was asked for
}

func newWorld(seed uint64, fs disk.FS) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 0)), fs: fs, trimmed: 1}
}

func (w *world) tail() journal.Head {
	if len(w.acked) == 0 {
		return journal.Head{}
	}
	return w.acked[len(w.acked)-1]
}

// step does one random thing and returns what the log says.
func (w *world) step() error {
	if w.log == nil {
		return w.open()
	}
	switch n := w.rng.IntN(40); {
	case n == 0:
		return w.close()
	case n == 1 && len(w.acked) > 0:
		return w.trim(1 + w.rng.Uint64N(uint64(len(w.acked))))
	default:
		return w.append()
	}
}

func (w *world) open() error {
	cfg := config(w.fs)
	if w.notes > 0 {
		cfg.NoteAfter = w.notes
	}
	l, err := file.Open(nil2ctx, cfg)
	if err == nil {
		w.log = l
	}
	return err
}

func (w *world) close() error {
	l := w.log
	w.log = nil
	return l.Close()
}

func (w *world) trim(slot uint64) error {
	w.mu.Lock()
	w.trimmed = max(w.trimmed, slot)
	w.mu.Unlock()
	return w.log.Trim(nil2ctx, slot)
}

func (w *world) append() error {
	record := make([]byte, w.rng.IntN(1800))
	for i := range record {
		record[i] = byte(w.rng.Uint32())
	}
	return w.appendRecord(record)
}

// appendRecord appends, and notes what was acknowledged.
func (w *world) appendRecord(record []byte) error {
	w.mu.Lock()
	after := w.tail()
	w.attempt = record
	w.mu.Unlock()
	head, err := w.log.Append(nil2ctx, after, record)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.acked = append(w.acked, head)
		w.attempt = nil
	} else if !errors.Is(err, journal.ErrUnknown) {
		w.attempt = nil
	}
	return err
}

// promise is what a crash at one moment must leave.
type promise struct {
	acked   []journal.Head
	attempt []byte
	trimmed uint64
}

func (w *world) promise() promise {
	w.mu.Lock()
	defer w.mu.Unlock()
	return promise{w.acked[:len(w.acked):len(w.acked)], bytes.Clone(w.attempt), w.trimmed}
}

// kept checks a log against a promise: every acknowledged record is there, in
// order; at most the one in flight follows; nothing else is there.
func (p promise) kept(l *file.Log) (journal.Head, error) {
	tail := l.Tail()
	n := uint64(len(p.acked))
	switch {
	case tail.Index < n:
		return tail, fmt.Errorf("the log ends at index %d, %d records were acknowledged (L4)", tail.Index, n)
	case tail.Index > n+1 || tail.Index == n+1 && (p.attempt == nil || tail.Hash != journal.Sum(p.attempt)):
		return tail, fmt.Errorf("the log ends at index %d (%v): nobody appended that", tail.Index, tail.Hash)
	}
	from := min(p.trimmed, max(tail.Index, 1))
	next := from
	for e, err := range l.Read(nil2ctx, from) {
		if err != nil {
			return tail, fmt.Errorf("read: %w", err)
		}
		want := tail
		if e.Slot <= n {
			want = p.acked[e.Slot-1]
		}
		if e.Slot != next || journal.Sum(e.Record) != want.Hash {
			return tail, fmt.Errorf("slot %d holds another record (L2, L12)", e.Slot)
		}
		next++
	}
	if next != tail.Index+1 {
		return tail, fmt.Errorf("the read from %d ended before %d, the tail is %d", from, next, tail.Index)
	}
	return tail, l.Scrub(nil2ctx)
}

// check opens a disk as a crash left it, holds it against the promise, appends
// to it, closes it in order and looks again.
func (p promise) check(fs disk.FS) error {
	l, err := file.Open(nil2ctx, config(fs))
	if err != nil {
		return fmt.Errorf("open after the crash: %w", err)
	}
	tail, err := p.kept(l)
	if err == nil {
		var head journal.Head
		if head, err = l.Append(nil2ctx, tail, []byte("after the crash")); err == nil && head.Index != tail.Index+1 {
			err = fmt.Errorf("append after the crash got index %d", head.Index)
		}
	}
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	l, err = file.Open(nil2ctx, config(fs))
	if err != nil {
		return fmt.Errorf("open after a clean shutdown: %w", err)
	}
	if !l.Recovered().Clean || l.Tail().Index != tail.Index+1 {
		err = fmt.Errorf("after a clean shutdown: %+v, tail %d", l.Recovered(), l.Tail().Index)
	}
	return errors.Join(err, l.Close())
}

func contextWithTimeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(nil2ctx, d)
}
