package state

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
)

// TestHintsDecideNothing writes the same transactions with hints that forget
// nearly everything, with hints that know all, and with none: what becomes of
// each, and every row, must be the same. Records are lost on the way, which
// leaves hints of positions that others take.
func TestHintsDecideNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		worlds := map[string]*world{}
		for name, hints := range map[string]*Hints{"none": nil, "one bucket": NewHints(0, 0), "plenty": NewHints(1<<20, 0)} {
			worlds[name] = newWorld(t)
			worlds[name].hints = hints
		}
		age := mainstem.LogAge(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "records") {
			age = age.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second)
			var txs []*mainstem.Transaction
			for j := range rapid.IntRange(0, 6).Draw(t, "transactions") {
				txs = append(txs, drawHinted(t, fmt.Sprint(i, ".", j)))
			}
			lost := rapid.IntRange(0, 3).Draw(t, "lost") == 0
			said := map[string]string{}
			for name, w := range worlds {
				if lost {
					said[name] = w.lose(age, txs)
					continue
				}
				decisions, _ := w.write(w.header(max(w.tail.Age, age)), 100, txs)
				said[name] = tell(decisions)
			}
			for name, w := range worlds {
				if said[name] != said["none"] {
					t.Fatalf("record %d with %s:\n%s\nwithout hints:\n%s", i, name, said[name], said["none"])
				}
				if d := differences(worlds["none"].rows, w.rows); d != "" {
					t.Fatalf("record %d with %s left other rows: %s", i, name, d)
				}
			}
		}
	})
}

// lose judges a record that never becomes durable.
func (w *world) lose(age mainstem.LogAge, txs []*mainstem.Transaction) string {
	h := w.header(max(w.tail.Age, age))
	overlay := NewOverlay(w.rows, 1)
	s := Begin(&w.room, overlay, w.hints, w.tail, &h, func(o Write) { overlay.Put(o, h.Index) })
	due, _, err := s.Expired(100)
	if err != nil {
		w.tb.Fatal(err)
	}
	var all []decision
	for _, d := range due {
		if _, err := s.Admit(d); err != nil {
			w.tb.Fatal(err)
		}
	}
	for _, t := range txs {
		d := decision{asked: t}
		if d.judge(s); d.decided != nil {
			if d.position, err = s.Admit(d.decided); err != nil {
				w.tb.Fatal(err)
			}
		}
		all = append(all, d)
	}
	w.hints.Forget()
	return tell(all)
}

func tell(all []decision) (text string) {
	for _, d := range all {
		text += fmt.Sprintf("%s %v %v\n", d.position, mainstem.CodeOf(d.err), d.err)
	}
	return text
}

// drawHinted is a transaction on few keys whose outcome hangs on their newest
// versions.
func drawHinted(t *rapid.T, id string) *mainstem.Transaction {
	name := fmt.Sprint("k", rapid.IntRange(0, 30).Draw(t, "name"))
	since := mainstem.Position(rapid.IntRange(0, 40).Draw(t, "since"))
	tx := &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: id}}
	if rapid.Bool().Draw(t, "library-made") {
		// Numbers come out of order, again, and far apart.
		number := rapid.SampledFrom([]uint64{1, 2, 3, 4, 5, 6, 7, 8, numbersKept - 1, numbersKept, numbersKept + 1, numbersKept + 7, 3 * numbersKept, 1 << 60}).Draw(t, "number")
		low := rapid.SampledFrom([]uint64{1, 1, 1, 3, 6}).Draw(t, "low")
		tx.ID = mainstem.ID{Session: mainstem.SessionID{byte(rapid.IntRange(1, 2).Draw(t, "session"))}, Number: number, Low: min(low, number)}
	}
	tx.Conditions = rapid.SampledFrom([][]mainstem.Condition{
		nil, {mainstem.KeyAbsent{Name: name}}, {mainstem.KeyUnchanged{Name: name, Since: since}}, {mainstem.KeyEquals{Name: name, Value: mainstem.Int(1)}},
	}).Draw(t, "condition")
	tx.Operations = rapid.SampledFrom([][]mainstem.Operation{
		{mainstem.Put{Name: name, Value: mainstem.Int(1)}},
		{mainstem.Put{Name: name, Value: mainstem.Int(1), TTL: 3 * time.Second}},
		{mainstem.Add{Name: name, Delta: 1}},
		{mainstem.Delete{Name: name}},
	}).Draw(t, "operation")
	return tx
}

// TestHintsBoundEveryPosition holds a small table against a map: never less
// than the newest, also after it had to forget, and exact where it has room.
func TestHintsBoundEveryPosition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := NewHints(int64(rapid.IntRange(1, 4).Draw(t, "buckets")*hintBytes), 0)
		newest := map[string]mainstem.Position{}
		for p := range mainstem.Position(rapid.IntRange(1, 200).Draw(t, "writes")) {
			name := rapid.StringMatching("[a-h]{1,2}").Draw(t, "name")
			newest[name] = p + 1
			h.note([]byte(name), p+1)
			for name, p := range newest {
				if bound, _ := h.newest([]byte(name)); bound < p {
					t.Fatalf("%s is at %s; the hint says at most %s", name, p, bound)
				}
			}
		}
		roomy := NewHints(1<<16, 7)
		for name, p := range newest {
			roomy.note([]byte(name), p)
		}
		exact := 0
		for name, p := range newest {
			if bound, likely := roomy.newest([]byte(name)); likely && bound == p {
				exact++
			}
		}
		if exact*10 < len(newest)*9 {
			t.Fatalf("with room for all only %d of %d hints are exact", exact, len(newest))
		}
		if bound, likely := roomy.newest([]byte("never")); !likely && bound != 7 {
			t.Fatalf("a key that was not written is bounded by %s, want what was there before: 7", bound)
		}
	})
}
