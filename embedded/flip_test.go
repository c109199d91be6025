package embedded_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

const flipDir = "db"

// flipWrites is how many acknowledged transactions the flipped database has.
const flipWrites = 120

func flipOptions(fs disk.FS) []embedded.Option {
	return []embedded.Option{embedded.OnDisk(fs), embedded.SegmentSize(16 << 10), embedded.Memory(16 << 20)}
}

// flipDatabase is a small database on a disk in memory: half of it durable in
// its state as well, and either closed in order or cut off.
func flipDatabase(t *testing.T, clean bool) disk.FS {
	t.Helper()
	ctx := t.Context()
	mem := disk.NewMem()
	power, err := disk.NewPower(mem, disk.PowerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	write := func(from, to int) *embedded.DB {
		db, err := embedded.Open(ctx, flipDir, flipOptions(power)...)
		if err != nil {
			t.Fatal(err)
		}
		for i := from; i < to; i++ {
			_, err := db.Group("g").Do(ctx, fmt.Sprint("id-", i), func(tx *mainstem.Txn) error {
				tx.Put(fmt.Sprintf("key-%03d", i), flipValue(i))
				tx.Append("log", mainstem.Event{Type: "n", Data: flipValue(i)})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return db
	}
	if err := write(0, flipWrites/2).Close(); err != nil {
		t.Fatal(err)
	}
	db := write(flipWrites/2, flipWrites)
	if clean {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return mem
	}
	crashed, err := power.Crash(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return crashed
}

func flipValue(i int) []byte { return fmt.Appendf(nil, "value %d %0100d", i, i*i) }

// TestFlips flips one bit anywhere in a database, and demands that nothing
// wrong is ever served: every answer is right or an error that says corrupt;
// and that nothing acknowledged goes missing in silence, but for the records
// after the last durable one on an unclean disk (RELIABILITY 1.5).
func TestFlips(t *testing.T) {
	rounds, asked := flipRounds(t)
	seed := flipSeed(t)
	outcomes, most := map[string]int{}, 0
	for _, clean := range []bool{true, false} {
		base := flipDatabase(t, clean)
		files := flipFiles(t, base, flipDir)
		for round := range rounds / 2 {
			random := rand.New(rand.NewPCG(seed, uint64(round)))
			copied := disk.NewMem()
			if err := disk.CopyBetween(base, flipDir, copied, flipDir); err != nil {
				t.Fatal(err)
			}
			where := flipBit(t, copied, files, random)
			outcome, lost := flipOutcome(t, copied, fmt.Sprintf("seed %d, round %d, clean %v: %s", seed, round, clean, where))
			outcomes[outcome]++
			if clean && lost > 0 {
				t.Fatalf("seed %d, round %d: %s: %d acknowledged transactions of a cleanly closed database are gone in silence", seed, round, where, lost)
			}
			most = max(most, lost)
		}
	}
	t.Logf("seed %d: rounds %d / %d: %v", seed, rounds, asked, outcomes)
	t.Logf("most acknowledged transactions that one flipped bit of an unclean disk lost: %d", most)
	if most > 1 {
		t.Errorf("one flip lost %d acknowledged transactions; with one writer at a time at most the last can be ambiguous", most)
	}
	if outcomes["refused"] == 0 || outcomes["whole"] == 0 {
		t.Errorf("outcomes %v: the flips did not reach what they should", outcomes)
	}
}

func flipRounds(t *testing.T) (rounds, asked int) {
	t.Helper()
	asked = 1000
	factor := 1.0
	for _, name := range []string{"MAINSTEM_ROUNDS", "MAINSTEM_SOAK"} {
		if text := os.Getenv(name); text != "" {
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatalf("%s=%q is not a number", name, text)
			}
			factor *= f
		}
	}
	asked = int(float64(asked) * factor)
	return max(200, asked), asked // fewer reach too little
}

func flipSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("MAINSTEM_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("MAINSTEM_SEED=%q is not a number", text)
	}
	return seed
}

// flipFiles lists every file that has a byte.
func flipFiles(t *testing.T, d disk.FS, dir string) []string {
	t.Helper()
	names, err := d.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var files []string
	for _, name := range names {
		path := d.PathJoin(dir, name)
		info, err := d.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case info.IsDir():
			files = append(files, flipFiles(t, d, path)...)
		case info.Size() > 0:
			files = append(files, path)
		}
	}
	return files
}

func flipBit(t *testing.T, d disk.FS, files []string, random *rand.Rand) string {
	t.Helper()
	name := files[random.IntN(len(files))]
	data, err := disk.ReadFile(d, name, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	at, bit := random.IntN(len(data)), random.IntN(8)
	data[at] ^= 1 << bit
	if err := disk.WriteFile(d, name, data); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("bit %d of byte %d of %s", bit, at, name)
}

// flipOutcome opens a flipped database and reads all of it.
func flipOutcome(t *testing.T, fs disk.FS, where string) (outcome string, lost int) {
	t.Helper()
	ctx := context.Background()
	db, err := embedded.Open(ctx, flipDir, flipOptions(fs)...)
	if err != nil {
		if code := mainstem.CodeOf(err); code != mainstem.Corrupt && code != mainstem.Invalid {
			t.Fatalf("%s: refused with %v, which names no damage", where, err)
		}
		return "refused", 0
	}
	defer db.Close()
	last, err := flipLast(ctx, db)
	if err == nil {
		err = flipRead(ctx, db, last)
	}
	switch {
	case mainstem.CodeOf(err) == mainstem.Corrupt:
		return "found while reading", 0
	case err != nil:
		t.Fatalf("%s: %v", where, err)
	case last < flipWrites:
		return "tail cut", flipWrites - last
	}
	return "whole", 0
}

// flipLast is how many transactions the stream has.
func flipLast(ctx context.Context, db *embedded.DB) (int, error) {
	v, err := db.Group("g").View(ctx, mainstem.Latest())
	if err != nil {
		return 0, err
	}
	defer v.Close()
	n, err := v.Length(ctx, "log")
	return int(n), err
}

// flipRead compares everything up to the last transaction, in the state and in
// the feed.
func flipRead(ctx context.Context, db *embedded.DB, last int) error {
	for i := range last {
		v, err := db.Group("g").Get(ctx, fmt.Sprintf("key-%03d", i), mainstem.Latest())
		if err != nil {
			return err
		}
		if string(v.Value.Bytes) != string(flipValue(i)) {
			return fmt.Errorf("key-%03d is %q (L12)", i, v.Value.Bytes)
		}
	}
	n := 0
	for b, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
		if err != nil {
			return err
		}
		for _, c := range b.Changes {
			if string(c.Effects[0].Value.Bytes) != string(flipValue(n)) {
				return fmt.Errorf("the feed shows %q at position %s (L12)", c.Effects[0].Value.Bytes, c.Position)
			}
			n++
		}
	}
	if n != last {
		return fmt.Errorf("the feed has %d changes, the stream %d events (L12)", n, last)
	}
	return nil
}
