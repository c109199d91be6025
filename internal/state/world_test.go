package state

import (
	"bytes"
	"fmt"
	"maps"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// world is one partition without a log: a writer that judges as a node does,
// and beside it a reader that sees only the bytes of the records. After every
// record both must have the same rows (L3).
type world struct {
	tb     judge
	rows   mapRows
	tail   *Tail
	replay mapRows
	read   *Tail
	hints  *Hints // small, so that they forget
	// Rooms are used again and again, as a node does.
	room, replayRoom Room
}

// judge is a *testing.T or a *rapid.T.
type judge interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newWorld(tb judge) *world {
	return &world{tb: tb, rows: mapRows{}, tail: &Tail{}, replay: mapRows{}, read: &Tail{}, hints: NewHints(2*hintBytes, 0)}
}

// epoch is the wall time at log age 0.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// header begins the record after the tail, at a log age.
func (w *world) header(age mainstem.LogAge) record.Header {
	t := w.tail
	h := record.Header{
		Version: record.First, Index: t.Head.Index + 1, PrevHash: t.Head.Hash, Database: record.UUID{0xdb}, Generation: t.Generation,
		Incarnation: t.Incarnation, First: t.Last + 1, Age: age, Wall: epoch.Add(time.Duration(age)).UnixNano(),
	}
	if h.Index == 1 {
		h.Genesis = &record.Genesis{Partitions: 1, SlotEnds: []uint16{mainstem.Slots}}
		h.Settings = &record.Settings{IDAge: int64(24 * time.Hour)}
		h.Incarnation, h.Generation = 1, record.UUID{1}
	}
	return h
}

// decision is what became of one transaction.
type decision struct {
	asked    *mainstem.Transaction // nil for an expiry
	decided  *record.Transaction
	position mainstem.Position
	known    *mainstem.Receipt
	err      error
}

func (w Write) clone() Write {
	w.Key, w.Value, w.End = bytes.Clone(w.Key), bytes.Clone(w.Value), bytes.Clone(w.End)
	return w
}

// judge asks the step, and keeps what it says.
func (d *decision) judge(s *Step) {
	decided, known, err := s.Judge(d.asked)
	d.known, d.err = known, err
	if decided != nil {
		kept := *decided
		d.decided = &kept
	}
}

// write judges transactions into one record, as a node's loop does, and
// returns what became of each and which rows were written.
func (w *world) write(h record.Header, expire int, txs []*mainstem.Transaction) ([]decision, []Write) {
	w.tb.Helper()
	overlay := NewOverlay(w.rows, 1)
	var writes []Write
	s := Begin(&w.room, overlay, w.hints, w.tail, &h, func(o Write) {
		writes = append(writes, o.clone())
		overlay.Put(o, h.Index)
	})
	var all []decision
	var decided []record.Transaction
	admit := func(d decision) {
		var err error
		if d.position, err = s.Admit(d.decided); err != nil {
			w.tb.Fatal(err)
		}
		decided = append(decided, *d.decided)
		all = append(all, d)
	}
	due, _, err := s.Expired(expire)
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, d := range due {
		admit(decision{decided: d})
	}
	for _, t := range txs {
		d := decision{asked: t}
		if d.err = t.Validate(); d.err == nil {
			d.judge(s)
		}
		if d.decided != nil {
			admit(d)
			continue
		}
		all = append(all, d)
		if t.Networked && d.err != nil && mainstem.CodeOf(d.err) != mainstem.Cancelled {
			r := record.Refusal{Group: t.Group, ID: t.ID, Attempt: t.Attempt}
			h.Refusals = append(h.Refusals, r)
			if err := s.Refuse(r); err != nil {
				w.tb.Fatal(err)
			}
		}
	}
	if h.Checkpoint != nil {
		if h.Checkpoint.Horizons, err = s.Horizons(); err != nil {
			w.tb.Fatal(err)
		}
	}
	if err := s.Finish(&h); err != nil {
		w.tb.Fatal(err)
	}
	h.Count = uint32(len(decided))
	w.land(s, &record.Record{Header: h, Transactions: decided}, writes)
	return all, writes
}

// land stores the record: the writer applies what it judged, the reader what
// the bytes say.
func (w *world) land(s *Step, r *record.Record, writes []Write) {
	w.tb.Helper()
	stored, err := record.Encode(nil, r)
	if err != nil {
		w.tb.Fatal(err)
	}
	head := journal.Head{Index: r.Index, Hash: journal.Sum(stored), Slot: r.Index}
	s.Seal(&r.Header, head.Hash)
	w.rows.apply(append(writes, Settle(s.Tail, &r.Header, head)...))
	w.tail = s.Tail

	again, err := record.Decode(stored)
	if err != nil {
		w.tb.Fatal(err)
	}
	overlay := NewOverlay(w.replay, 1)
	var replayed []Write
	tail, err := Replay(&w.replayRoom, overlay, nil, w.read, again, head, func(o Write) {
		replayed = append(replayed, o.clone())
		overlay.Put(o, r.Index)
	})
	if err != nil {
		w.tb.Fatalf("replaying record %d: %v", r.Index, err)
	}
	w.read = tail
	w.replay.apply(replayed)
	// Only a writer clears away expiries that a key has outlived: they say nothing.
	if a, b := w.rows.without(kindExpiry), w.replay.without(kindExpiry); !maps.Equal(a, b) {
		w.tb.Fatalf("record %d: replay wrote other rows than the writer (L3):\n%s", r.Index, differences(a, b))
	}
	loaded, err := LoadTail(w.rows)
	if err != nil {
		w.tb.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", loaded), fmt.Sprintf("%+v", w.tail); got != want {
		w.tb.Fatalf("record %d: the stored tail is\n%s, not\n%s", r.Index, got, want)
	}
}

func differences(a, b mapRows) (text string) {
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			text += "written " + describe([]byte(key), []byte(value), false) + "\n"
		}
	}
	for key, value := range b {
		if other, ok := a[key]; !ok || other != value {
			text += "replayed " + describe([]byte(key), []byte(value), false) + "\n"
		}
	}
	return text
}

// commit is a record of one transaction that must commit.
func (w *world) commit(age time.Duration, group string, operations ...mainstem.Operation) mainstem.Position {
	w.tb.Helper()
	all, _ := w.write(w.header(mainstem.LogAge(age)), 0, []*mainstem.Transaction{{
		Group: group, ID: mainstem.ID{Opaque: fmt.Sprintf("own-%d", w.tail.Last+1)}, Operations: operations,
	}})
	d := all[len(all)-1]
	if d.err != nil || d.known != nil {
		w.tb.Fatalf("commit in %s: replayed %v, %v", group, d.known != nil, d.err)
	}
	return d.position
}

func (w *world) reading() *Reading { return &Reading{Rows: w.rows, Tail: w.tail, At: w.tail.Last} }
