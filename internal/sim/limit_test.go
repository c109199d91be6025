package sim

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestLimitsFromBothSides: what is just allowed commits and comes back whole;
// one byte more is refused by its code, and nothing is written. The model and
// the product must draw every line at the same place (L10).
func TestLimitsFromBothSides(t *testing.T) {
	long, value := strings.Repeat("n", 512), bytes.Repeat([]byte{'v'}, 256<<10)
	put := func(name string, v []byte) mainstem.Operation {
		return mainstem.Put{Name: name, Value: mainstem.Bytes(v)}
	}
	tx := func(ops ...mainstem.Operation) mainstem.Transaction {
		return mainstem.Transaction{Operations: ops}
	}
	with := func(change func(*mainstem.Transaction)) mainstem.Transaction {
		t := tx(put("k", nil))
		change(&t)
		return t
	}
	many := func(n int) mainstem.Transaction {
		return tx(mainstem.Append{Stream: "s", Events: make([]mainstem.Event, n)})
	}
	typed := func(t mainstem.Transaction) mainstem.Transaction {
		events := t.Operations[0].(mainstem.Append).Events
		for i := range events {
			events[i].Type = "t"
		}
		return t
	}
	for _, c := range []struct {
		name string
		want mainstem.Code
		tx   mainstem.Transaction
	}{
		{"name of 512 bytes", 0, tx(put(long, nil))},
		{"name of 513 bytes", mainstem.TooLarge, tx(put(long+"n", nil))},
		{"empty name", mainstem.Invalid, tx(put("", nil))},
		{"name with NUL", mainstem.Invalid, tx(put("a\x00b", nil))},
		{"invalid UTF-8 in a key", mainstem.Invalid, tx(put("a\xffb", nil))},
		{"invalid UTF-8 in a surrogate", mainstem.Invalid, tx(put("a\xed\xa0\x80", nil))},
		{"highest rune", 0, tx(put("a\U0010FFFF", nil))},
		{"invalid UTF-8 in an ID", mainstem.Invalid, with(func(t *mainstem.Transaction) { t.ID.Opaque = "\xff" })},
		{"ID of 513 bytes", mainstem.TooLarge, with(func(t *mainstem.Transaction) { t.ID.Opaque = long + "n" })},
		{"invalid UTF-8 in an event's type", mainstem.Invalid, tx(mainstem.Emit{Topic: "t", Event: mainstem.Event{Type: "\xff"}})},
		{"invalid UTF-8 in an actor", mainstem.Invalid, with(func(t *mainstem.Transaction) { t.Meta.Actor = "\xff" })},
		{"value of 256 KiB", 0, tx(put("k", value))},
		{"value of 256 KiB and a byte", mainstem.TooLarge, tx(put("k", append(value, 1)))},
		{"event of 256 KiB and a byte", mainstem.TooLarge, tx(mainstem.Emit{Topic: "t", Event: mainstem.Event{Type: "t", Data: append(value, 1)}})},
		{"reply of 256 KiB", 0, with(func(t *mainstem.Transaction) { t.Reply = value })},
		{"reply of 256 KiB and a byte", mainstem.TooLarge, with(func(t *mainstem.Transaction) { t.Reply = append(value, 1) })},
		{"transaction of 512 KiB", 0, tx(put("k", value), put("l", value[:len(value)-18]))},
		{"transaction of 512 KiB and a byte", mainstem.TooLarge, tx(put("k", value), put("l", value[:len(value)-17]))},
		{"4,096 operations", 0, typed(many(4096))},
		{"4,097 operations", mainstem.TooLarge, typed(many(4097))},
		{"fingerprint of 64 bytes", 0, with(func(t *mainstem.Transaction) { t.Fingerprint = value[:64] })},
		{"fingerprint of 65 bytes", mainstem.TooLarge, with(func(t *mainstem.Transaction) { t.Fingerprint = value[:65] })},
		{"metadata of 1,025 bytes", mainstem.TooLarge, with(func(t *mainstem.Transaction) { t.Meta.Trace = string(value[:1025]) })},
		{"refusal with an operation", mainstem.Invalid, with(func(t *mainstem.Transaction) { t.Refused = true })},
		{"no events", mainstem.Invalid, tx(mainstem.Append{Stream: "s"})},
		{"a lease for no time", mainstem.Invalid, tx(mainstem.Acquire{Lease: "l", Owner: "o"})},
		{"empty span", mainstem.Invalid, with(func(t *mainstem.Transaction) {
			t.Conditions = []mainstem.Condition{mainstem.RangeUnchanged{From: "b", To: "a"}}
		})},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			over(t, func(t *testing.T, db *mainstem.DB) { atLimit(t, db, c.tx, c.want) })
		})
	}
}

func atLimit(t *testing.T, db *mainstem.DB, tx mainstem.Transaction, want mainstem.Code) {
	tx.Group, tx.Attempt = "g", 1
	if tx.ID.IsZero() {
		tx.ID.Opaque = "id"
	}
	_, err := db.Backend().Commit(t.Context(), &tx)
	if mainstem.CodeOf(err) != want {
		t.Fatalf("answered %v, want %v", err, want)
	}
	n := 0
	for batch, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(batch.Changes)
	}
	if (want == 0) != (n == 1) {
		t.Errorf("%d changes in the feed after %v", n, err)
	}
	for _, o := range tx.Operations {
		if p, ok := o.(mainstem.Put); ok && want == 0 {
			if v, err := db.Get(t.Context(), "g", p.Name, mainstem.Latest()); err != nil || !bytes.Equal(v.Value.Bytes, p.Value.Bytes) {
				t.Errorf("key %.20q came back with %d bytes, %v, want %d", p.Name, len(v.Value.Bytes), err, len(p.Value.Bytes))
			}
		}
	}
}

// TestOversizeGroupsAndTokens: what names a group or carries a token is
// checked on reading as well.
func TestOversizeGroupsAndTokens(t *testing.T) {
	over(t, func(t *testing.T, db *mainstem.DB) {
		for _, group := range []string{"", "a\x00", "\xff", strings.Repeat("g", 513)} {
			_, err := db.Get(t.Context(), group, "k", mainstem.Latest())
			if code := mainstem.CodeOf(err); code != mainstem.Invalid && code != mainstem.TooLarge {
				t.Errorf("group %.10q: %v", group, err)
			}
		}
		if _, err := db.Get(t.Context(), "g", "k", mainstem.Consistency{}); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("(L8) the zero consistency is answered %v, want invalid", err)
		}
		foreign := mainstem.NewToken(mainstem.Mark{Incarnation: 12345, Position: 7})
		if _, err := db.Get(t.Context(), "g", "k", mainstem.AtLeast(foreign)); mainstem.CodeOf(err) != mainstem.HistoryLost {
			t.Errorf("(L8) a token of another history is answered %v, want history_lost", err)
		}
		if _, err := db.Get(t.Context(), "g", "k", mainstem.AsOf(1<<40)); mainstem.CodeOf(err) != mainstem.HistoryLost {
			t.Errorf("(L8) a position in the future is answered %v, want history_lost", err)
		}
	})
}
