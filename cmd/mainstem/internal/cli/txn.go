package cli

import "fmt"

type txnCmd struct {
	database
}

// Help is shown below the flags.
func (*txnCmd) Help() string {
	return `Reads one JSON object from standard input: group, optional id, conditions, operations, optional reply. All of it happens, or nothing. Repeating it with its id returns the first receipt. Unknown fields are errors.

Conditions: key_absent {name}, key_unchanged {name, since}, key_equals {name, value}, stream_length {stream, length}, range_unchanged and streams_unchanged {from, to or prefix, since}, lease_held {lease, token}, committed {id}.

Operations: put {name, value, ttl}, delete {name}, add {name, delta, floor, ceiling}, append {stream, events}, acquire {lease, owner, ttl}, renew {lease, token, ttl}, release {lease, token}, emit {topic, type, data}, void {id}, present {lease, token}.

A value is "value" (text), "value_base64", "value_json" or "counter" (a number); the data of an event and a reply likewise. Positions and tokens are strings. Every field is described in docs/reference/transaction-json.md.

Examples:

    mainstem txn <<'END'
    {"group": "item-42", "id": "order-7",
     "operations": [
       {"add": {"name": "stock", "delta": -1, "floor": 0}},
       {"put": {"name": "order/7", "value_json": {"customer": "anna"}}},
       {"append": {"stream": "orders", "events": [{"type": "order.placed.v1", "data": "7"}]}}]}
    END

    echo '{"group": "shop", "conditions": [{"key_unchanged": {"name": "greeting", "since": "17"}}],
      "operations": [{"delete": {"name": "greeting"}}]}' | mainstem txn --json`
}

func (c *txnCmd) Run(e *env) (err error) {
	text, err := e.input("-")
	if err != nil {
		return err
	}
	t, err := parseTransaction(text)
	if err != nil {
		return err
	}
	db, err := c.open(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	receipt, err := t.run(e, db)
	if err != nil {
		return err
	}
	told := receiptOf(t.group, t.id, receipt, t.isAdd)
	if e.json {
		return e.object(told)
	}
	for i, r := range told.Results {
		switch {
		case r.Counter != nil:
			_, err = fmt.Fprintf(e.out, "%d: counter %d\n", i+1, *r.Counter)
		case r.Length > 0:
			_, err = fmt.Fprintf(e.out, "%d: length %d\n", i+1, r.Length)
		case r.Token != 0:
			_, err = fmt.Fprintf(e.out, "%d: token %d\n", i+1, r.Token)
		}
		if err != nil {
			return err
		}
	}
	if told.Reply != nil {
		fmt.Fprintf(e.out, "reply: %s\n", plain(receipt.Reply))
	}
	return e.told(t.group, t.id, receipt, "", false)
}
