package cli

import (
	"encoding/json"
	"fmt"

	"github.com/mainstemdb/mainstem"
)

// transaction is a transaction as JSON tells it. The format is described in
// docs/reference/transaction-json.md; a test reads every example there.
type transaction struct {
	group, id   string
	fingerprint []byte
	conditions  []mainstem.Condition
	operations  []mainstem.Operation
	reply       []byte
	meta        mainstem.Meta
}

// parseTransaction reads exactly one transaction.
func parseTransaction(text []byte) (*transaction, error) {
	o := parseObject("transaction", text)
	t := &transaction{group: o.need("group"), id: o.text("id")}
	t.fingerprint, _ = o.bytes("fingerprint")
	t.reply, _ = o.bytes("reply")
	t.meta = mainstem.Meta{Actor: o.text("actor"), Request: o.text("request"), Trace: o.text("trace")}
	conditions, _ := field[[]json.RawMessage](o, "conditions", "a list")
	operations, _ := field[[]json.RawMessage](o, "operations", "a list")
	if err := o.end(); err != nil {
		return nil, err
	}
	for i, raw := range conditions {
		c, err := parseCondition(fmt.Sprintf("conditions[%d]", i), raw)
		if err != nil {
			return nil, err
		}
		t.conditions = append(t.conditions, c)
	}
	for i, raw := range operations {
		op, err := parseOperation(fmt.Sprintf("operations[%d]", i), raw)
		if err != nil {
			return nil, err
		}
		t.operations = append(t.operations, op)
	}
	return t, nil
}

func parseCondition(where string, raw json.RawMessage) (mainstem.Condition, error) {
	tag, o := tagged(where, raw)
	var c mainstem.Condition
	switch tag {
	case "key_absent":
		c = mainstem.KeyAbsent{Name: o.need("name")}
	case "key_unchanged":
		c = mainstem.KeyUnchanged{Name: o.need("name"), Since: o.position("since")}
	case "key_equals":
		c = mainstem.KeyEquals{Name: o.need("name"), Value: o.value()}
	case "stream_length":
		length, given := field[uint64](o, "length", "a whole number, at least 0")
		if !given {
			o.failf("length", "is missing")
		}
		c = mainstem.StreamLength{Stream: o.need("stream"), Length: length}
	case "range_unchanged":
		from, to := o.span()
		c = mainstem.RangeUnchanged{From: from, To: to, Since: o.position("since")}
	case "streams_unchanged":
		from, to := o.span()
		c = mainstem.StreamsUnchanged{From: from, To: to, Since: o.position("since")}
	case "lease_held":
		c = mainstem.LeaseHeld{Lease: o.need("lease"), Token: o.fencing()}
	case "committed":
		c = mainstem.Committed{ID: o.need("id")}
	default:
		o.unknownf("is no condition; there are key_absent, key_unchanged, key_equals, stream_length, range_unchanged, streams_unchanged, lease_held, committed")
	}
	return c, o.end()
}

func parseOperation(where string, raw json.RawMessage) (mainstem.Operation, error) {
	tag, o := tagged(where, raw)
	var op mainstem.Operation
	switch tag {
	case "put":
		op = mainstem.Put{Name: o.need("name"), Value: o.value(), TTL: o.ttl()}
	case "delete":
		op = mainstem.Delete{Name: o.need("name")}
	case "add":
		add := mainstem.Add{Name: o.need("name"), Floor: o.integer("floor"), Ceiling: o.integer("ceiling")}
		if delta := o.integer("delta"); delta != nil {
			add.Delta = *delta
		} else {
			o.failf("delta", "is missing")
		}
		op = add
	case "append":
		op = mainstem.Append{Stream: o.need("stream"), Events: o.events()}
	case "acquire":
		op = mainstem.Acquire{Lease: o.need("lease"), Owner: o.need("owner"), TTL: o.ttl()}
	case "renew":
		op = mainstem.Renew{Lease: o.need("lease"), Token: o.fencing(), TTL: o.ttl()}
	case "release":
		op = mainstem.Release{Lease: o.need("lease"), Token: o.fencing()}
	case "emit":
		op = mainstem.Emit{Topic: o.need("topic"), Event: o.event()}
	case "void":
		op = mainstem.Void{ID: o.need("id")}
	case "present":
		op = mainstem.Present{Lease: o.need("lease"), Token: o.fencing()}
	default:
		o.unknownf("is no operation; there are put, delete, add, append, acquire, renew, release, emit, void, present")
	}
	return op, o.end()
}

// value reads a plain value or a counter.
func (o *object) value() mainstem.Value {
	plain, given := o.bytes("value")
	counter := o.integer("counter")
	switch {
	case given == (counter != nil):
		o.failf("", "needs one of value, value_base64, value_json, counter")
	case counter != nil:
		return mainstem.Int(*counter)
	}
	return mainstem.Bytes(plain)
}

// event reads the fields of one event.
func (o *object) event() mainstem.Event {
	event := mainstem.Event{Type: o.need("type")}
	event.Data, _ = o.bytes("data")
	return event
}

func (o *object) events() (events []mainstem.Event) {
	list, _ := field[[]json.RawMessage](o, "events", "a list of events")
	for i, raw := range list {
		one := &object{where: fmt.Sprintf("%s.events[%d]", o.where, i)}
		one.read(raw)
		events = append(events, one.event())
		if err := one.end(); err != nil && o.err == nil {
			o.err = err
		}
	}
	return events
}

// span reads a range: from and to, or a prefix.
func (o *object) span() (from, to string) {
	from, hasFrom := field[string](o, "from", "a string")
	to, hasTo := field[string](o, "to", "a string")
	prefix, hasPrefix := field[string](o, "prefix", "a string")
	if hasPrefix {
		if hasFrom || hasTo {
			o.failf("prefix", "is given beside from or to")
		}
		return mainstem.Prefix(prefix)
	}
	return from, to
}

// run sends the transaction. An empty ID lets the library make one.
func (t *transaction) run(e *env, db *mainstem.DB) (*mainstem.Receipt, error) {
	opts := []mainstem.DoOption{mainstem.By(t.meta)}
	if t.fingerprint != nil {
		opts = append(opts, mainstem.Fingerprint(t.fingerprint))
	}
	return db.Group(t.group).Do(e.ctx, t.id, func(tx *mainstem.Txn) error {
		for _, c := range t.conditions {
			tx.Require(c)
		}
		for _, o := range t.operations {
			tx.Operate(o)
		}
		tx.Reply(t.reply)
		return nil
	}, opts...)
}

func (t *transaction) isAdd(i int) bool {
	if i >= len(t.operations) {
		return false
	}
	_, add := t.operations[i].(mainstem.Add)
	return add
}
