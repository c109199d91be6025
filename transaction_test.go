package mainstem_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

type limitCase struct {
	name string
	t    mainstem.Transaction
	code mainstem.Code
	// condition is the number that the error must carry.
	condition int
}

func with(operations ...mainstem.Operation) mainstem.Transaction {
	return mainstem.Transaction{Operations: operations}
}

func under(conditions ...mainstem.Condition) mainstem.Transaction {
	return mainstem.Transaction{Conditions: conditions}
}

func text(n int) string  { return strings.Repeat("n", n) }
func bytes(n int) []byte { return make([]byte, n) }

func puts(n int) (all []mainstem.Operation) {
	for range n {
		all = append(all, mainstem.Delete{Name: "k"})
	}
	return all
}

// Every limit is tried from both sides: the largest that fits, and one more (L10).
func sizeCases() []limitCase {
	const name, value, whole = mainstem.LimitName, mainstem.LimitValue, mainstem.LimitTransaction
	event := func(n int) mainstem.Event { return mainstem.Event{Type: "t", Data: bytes(n)} }
	put := func(n int) mainstem.Put { return mainstem.Put{Name: "k", Value: mainstem.Bytes(bytes(n))} }
	rest := whole - 2*(value+1+8) - 1 - 8 // what two full puts and a third's name leave
	return []limitCase{
		{"name fits", with(mainstem.Delete{Name: text(name)}), 0, 0},
		{"name", with(mainstem.Delete{Name: text(name + 1)}), mainstem.TooLarge, 1},
		{"bound fits", under(mainstem.RangeUnchanged{From: text(name + 1)}), 0, 0},
		{"bound", under(mainstem.RangeUnchanged{From: text(name + 2)}), mainstem.TooLarge, 1},
		{"value fits", with(put(value)), 0, 0},
		{"value", with(put(value + 1)), mainstem.TooLarge, 1},
		{"compared value", under(mainstem.KeyEquals{Name: "k", Value: mainstem.Bytes(bytes(value + 1))}), mainstem.TooLarge, 1},
		{"event fits", with(mainstem.Append{Stream: "s", Events: []mainstem.Event{event(value)}}), 0, 0},
		{"event", with(mainstem.Append{Stream: "s", Events: []mainstem.Event{event(1), event(value + 1)}}), mainstem.TooLarge, 1},
		{"emitted event", with(mainstem.Emit{Topic: "s", Event: event(value + 1)}), mainstem.TooLarge, 1},
		{"reply fits", mainstem.Transaction{Reply: bytes(value)}, 0, 0},
		{"reply", mainstem.Transaction{Reply: bytes(value + 1)}, mainstem.TooLarge, 0},
		{"whole fits", with(put(value), put(value-100), put(rest+100)), 0, 0},
		{"whole", with(put(value), put(value-100), put(rest+101)), mainstem.TooLarge, 0},
		{"whole by reply", mainstem.Transaction{Reply: bytes(value), Operations: []mainstem.Operation{put(value)}}, mainstem.TooLarge, 0},
		{"count fits", with(puts(mainstem.LimitOperations)...), 0, 0},
		{"count", with(puts(mainstem.LimitOperations + 1)...), mainstem.TooLarge, 0},
		{"events count", with(mainstem.Append{Stream: "s", Events: make4097()}), mainstem.TooLarge, 0},
		{"fingerprint fits", mainstem.Transaction{Fingerprint: bytes(mainstem.LimitFingerprint)}, 0, 0},
		{"fingerprint", mainstem.Transaction{Fingerprint: bytes(mainstem.LimitFingerprint + 1)}, mainstem.TooLarge, 0},
		{"meta fits", mainstem.Transaction{Meta: mainstem.Meta{Actor: text(mainstem.LimitMeta - 1), Trace: "t"}}, 0, 0},
		{"meta", mainstem.Transaction{Meta: mainstem.Meta{Actor: text(mainstem.LimitMeta), Trace: "t"}}, mainstem.TooLarge, 0},
		{"TTL fits", with(mainstem.Put{Name: "k", TTL: mainstem.LimitTTL}), 0, 0},
		{"TTL", with(mainstem.Put{Name: "k", TTL: mainstem.LimitTTL + 1}), mainstem.TooLarge, 1},
	}
}

func make4097() []mainstem.Event {
	all := make([]mainstem.Event, mainstem.LimitOperations+1)
	for i := range all {
		all[i].Type = "t"
	}
	return all
}

func ruleCases() []limitCase {
	low, high := int64(1), int64(2)
	add := func(floor, ceiling *int64) mainstem.Transaction {
		return with(mainstem.Add{Name: "k", Floor: floor, Ceiling: ceiling})
	}
	acquire := func(owner string, ttl time.Duration) mainstem.Transaction {
		return with(mainstem.Acquire{Lease: "l", Owner: owner, TTL: ttl})
	}
	return []limitCase{
		{"nothing at all", mainstem.Transaction{}, 0, 0},
		{"empty name", with(mainstem.Delete{}), mainstem.Invalid, 1},
		{"NUL", with(mainstem.Delete{Name: "a\x00"}), mainstem.Invalid, 1},
		{"no UTF-8", with(mainstem.Delete{Name: "\xff"}), mainstem.Invalid, 1},
		{"the second is wrong", with(mainstem.Delete{Name: "a"}, mainstem.Delete{}), mainstem.Invalid, 2},
		{
			"conditions count first",
			mainstem.Transaction{Conditions: []mainstem.Condition{mainstem.KeyAbsent{Name: "a"}}, Operations: []mainstem.Operation{mainstem.Delete{}}},
			mainstem.Invalid, 2,
		},
		{"no condition", under(nil), mainstem.Invalid, 1},
		{"no operation", with(nil), mainstem.Invalid, 1},
		{"range", under(mainstem.RangeUnchanged{From: "a", To: "b"}), 0, 0},
		{"empty range", under(mainstem.RangeUnchanged{From: "b", To: "b"}), mainstem.Invalid, 1},
		{"streams backwards", under(mainstem.StreamsUnchanged{From: "b", To: "a"}), mainstem.Invalid, 1},
		{"floor at ceiling", add(&low, &low), 0, 0},
		{"floor above ceiling", add(&high, &low), mainstem.Invalid, 1},
		{"no events", with(mainstem.Append{Stream: "s"}), mainstem.Invalid, 1},
		{"event without type", with(mainstem.Append{Stream: "s", Events: []mainstem.Event{{}}}), mainstem.Invalid, 1},
		{"TTL of a lease", acquire("o", 1), 0, 0},
		{"no TTL of a lease", acquire("o", 0), mainstem.Invalid, 1},
		{"no owner", acquire("", 1), mainstem.Invalid, 1},
		{"no TTL of a renewal", with(mainstem.Renew{Lease: "l"}), mainstem.Invalid, 1},
		{"negative TTL", with(mainstem.Put{Name: "k", TTL: -1}), mainstem.Invalid, 1},
		{"counter with bytes", with(mainstem.Put{Name: "k", Value: mainstem.Value{Counter: true, Bytes: bytes(1)}}), mainstem.Invalid, 1},
		{"void", with(mainstem.Void{ID: "x"}), 0, 0},
		{"void of nothing", with(mainstem.Void{}), mainstem.Invalid, 1},
		{"void of a made ID", with(mainstem.Void{ID: "~x"}), mainstem.Invalid, 1},
		{"committed nothing", under(mainstem.Committed{}), mainstem.Invalid, 1},
		{"refusal", mainstem.Transaction{Refused: true, Reply: bytes(1)}, 0, 0},
		{"refusal that writes", mainstem.Transaction{Refused: true, Operations: puts(1)}, mainstem.Invalid, 0},
		{"deadline before the log", mainstem.Transaction{Deadline: -1}, mainstem.Invalid, 0},
		{"meta no UTF-8", mainstem.Transaction{Meta: mainstem.Meta{Trace: "\xff"}}, mainstem.Invalid, 0},
		{"ID", mainstem.Transaction{ID: mainstem.ID{Opaque: "~"}}, mainstem.Invalid, 0},
	}
}

func TestValidate(t *testing.T) {
	for _, c := range append(sizeCases(), ruleCases()...) {
		c.t.Group = "g"
		err := c.t.Validate()
		if mainstem.CodeOf(err) != c.code {
			t.Errorf("%s: %v, must be code %v", c.name, err, c.code)
			continue
		}
		if e, ok := err.(*mainstem.Error); ok && e.Condition != c.condition {
			t.Errorf("%s: names condition %d, must be %d: %v", c.name, e.Condition, c.condition, err)
		}
		c.t.Group = ""
		if err := c.t.Validate(); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s, without a group: %v, must be invalid", c.name, err)
		}
	}
}
