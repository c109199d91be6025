//go:build breaklaw

package laws

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// positionsMeanOneThing restores a backup that lacks the newest transaction:
// its token must be refused, and its position must not be given again.
func positionsMeanOneThing(w *world) error {
	var lost *mainstem.Receipt
	for i := range 3 {
		r, err := w.do(fmt.Sprint("t", i), put("k", fmt.Sprint(i)))
		if err != nil {
			return err
		}
		lost = r
	}
	backup, err := w.copyLog(3, nil) // the genesis and two transactions
	if err != nil {
		return err
	}
	w.close()
	if err := w.open(backup, func(c *node.Config) { c.Restored, c.Incarnation = true, 2 }); err != nil {
		return err
	}
	again, err := w.do("another", put("k", "another"))
	if err != nil {
		return err
	}
	if again.Position == lost.Position {
		return fmt.Errorf("position %s was given to two transactions (L1)", again.Position)
	}
	_, err = w.db.Get(context.Background(), "g", "k", mainstem.AtLeast(lost.Token))
	return want("L1", "a read at least at a lost transaction", err, mainstem.HistoryLost)
}

// holesStop opens a log that lacks a record in the middle.
func holesStop(w *world) error { return w.alteredStops(2, nil) }

// strangersStop opens a log in which one record belongs to another database.
func strangersStop(w *world) error {
	return w.alteredStops(3, func(r *record.Record) { r.Database[0]++ })
}

// alteredStops writes four transactions, lets a reader of the log find record
// slot changed, or missing, and opens a node that reads it all.
func (w *world) alteredStops(slot uint64, change func(*record.Record)) error {
	for i := range 4 {
		if _, err := w.do(fmt.Sprint("t", i), mainstem.Add{Name: "n", Delta: 1}); err != nil {
			return err
		}
	}
	log, err := w.copyLog(1<<30, nil)
	if err != nil {
		return err
	}
	w.close()
	w.node = nil
	err = w.open(altered{log, func(entry journal.Entry) *journal.Entry {
		if entry.Slot != slot {
			return &entry
		}
		r, err := record.Decode(entry.Record)
		if err != nil || change == nil {
			return nil
		}
		change(r)
		if entry.Record, err = record.Encode(nil, r); err != nil {
			return nil
		}
		return &entry
	}}, nil)
	if err == nil {
		return fmt.Errorf("a log with record %d missing or foreign was opened, and shows n = %s (L2)", slot, w.value("n"))
	}
	if failed := want("L2", "opening a log whose chain is broken", err, mainstem.Corrupt); failed != nil {
		return failed
	}
	return log.Close()
}

// altered is a log that reads differently from the start.
type altered struct {
	journal.Log
	alter func(journal.Entry) *journal.Entry
}

func (a altered) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	h := &hands{Log: a.Log, alter: a.alter}
	return h.Read(ctx, from)
}

// flippedBitsAreFound flips a bit of a stored value, and reads the feed from
// the log: in the file where there is one, on the way from the log otherwise.
func flippedBitsAreFound(w *world) error {
	if _, err := w.do("t", put("k", "precious")); err != nil {
		return err
	}
	flip := func(b []byte) bool {
		at := bytes.Index(b, []byte("precious"))
		if at >= 0 {
			b[at] ^= 1
		}
		return at >= 0
	}
	if w.engine == "file" {
		if err := w.flipFile(flip); err != nil {
			return err
		}
	} else {
		w.hands.alter = func(entry journal.Entry) *journal.Entry {
			flip(entry.Record)
			return &entry
		}
	}
	// More than is kept in memory, so that a new follower reads the log.
	for i := range 8 {
		if _, err := w.do(fmt.Sprint("fill", i), put("fill", string(make([]byte, 250<<10)))); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for batch, err := range w.db.Changes(ctx, mainstem.From{Drain: true}) {
		if err != nil {
			return want("L12", "a feed over a flipped bit", err, mainstem.Corrupt)
		}
		for _, c := range batch.Changes {
			if c.ID.Opaque == "t" {
				return fmt.Errorf("the feed served %q in place of \"precious\" (L12)", c.Effects[0].Value.Bytes)
			}
		}
	}
	return fmt.Errorf("the feed ended without the transaction and without an error (L12)")
}

// flipFile applies flip to the first log file that it changes.
func (w *world) flipFile(flip func([]byte) bool) error {
	dir := fmt.Sprint("log-", w.opened)
	names, err := w.fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		done, err := w.flipIn(w.fs.PathJoin(dir, name), flip)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("the value is in none of %q", names)
}

func (w *world) flipIn(path string, flip func([]byte) bool) (done bool, err error) {
	f, err := disk.OpenReadWrite(w.fs, path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	b, err := disk.ReadAll(f, 16<<20)
	if err != nil || !flip(b) {
		return false, err
	}
	_, err = f.WriteAt(b, 0)
	return true, err
}
