package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

func TestTransactionMeansWhatItSays(t *testing.T) {
	got, err := parseTransaction([]byte(`{"group":"g","id":"i","actor":"a","request":"r","trace":"t","fingerprint_base64":"AAE=","reply":"ok",
		"conditions":[{"key_unchanged":{"name":"k","since":"18446744073709551615"}},{"range_unchanged":{"prefix":"a","since":"1"}},{"streams_unchanged":{"from":"a","since":"2"}}],
		"operations":[{"put":{"name":"k","value_json":{"a": 1},"ttl":"90s"}},{"put":{"name":"n","counter":-9223372036854775808}},{"add":{"name":"n","delta":5,"floor":0}},
		{"append":{"stream":"s","events":[{"type":"t","data":"d"},{"type":"u"}]}},{"present":{"lease":"l","token":"7"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	want := &transaction{
		group: "g", id: "i", fingerprint: []byte{0, 1}, reply: []byte("ok"), meta: mainstem.Meta{Actor: "a", Request: "r", Trace: "t"},
		conditions: []mainstem.Condition{
			mainstem.KeyUnchanged{Name: "k", Since: 1<<64 - 1},
			mainstem.RangeUnchanged{From: "a", To: "b", Since: 1},
			mainstem.StreamsUnchanged{From: "a", Since: 2},
		},
		operations: []mainstem.Operation{
			mainstem.Put{Name: "k", Value: mainstem.Bytes([]byte(`{"a":1}`)), TTL: 90 * time.Second},
			mainstem.Put{Name: "n", Value: mainstem.Int(-1 << 63)},
			mainstem.Add{Name: "n", Delta: 5, Floor: &zero},
			mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: "t", Data: []byte("d")}, {Type: "u"}}},
			mainstem.Present{Lease: "l", Token: 7},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read\n%+v\nwant\n%+v", got, want)
	}
}

// TestTransactionRefuses names the place of everything that is wrong.
func TestTransactionRefuses(t *testing.T) {
	op := func(s string) string { return `{"group":"g","operations":[` + s + `]}` }
	condition := func(s string) string { return `{"group":"g","conditions":[` + s + `]}` }
	for _, c := range []struct{ text, want string }{
		{`{"Group":"g"}`, `transaction has no field "Group"`},
		{`{"group":"g","operations":null}`, "transaction.operations is null"},
		{`{"group":7}`, "transaction.group is 7, not a string"},
		{`{"group":"g","reply":"a","reply_json":1}`, "transaction.reply is given in more than one way"},
		{op(`{}`), "operations[0] has 0 fields, not one"},
		{op(`{"put":{},"delete":{}}`), "operations[0] has 2 fields, not one"},
		{op(`7`), "operations[0] is not a JSON object"},
		{op(`{"put":7}`), "operations[0].put is not a JSON object"},
		{op(`{"put":null}`), "operations[0].put is null"},
		{op(`{"put":{"name":"a","value_base64":"?"}}`), "operations[0].put.value_base64 is"},
		{op(`{"put":{"name":"a","value":"x","ttl":"soon"}}`), `operations[0].put.ttl is "soon", not a duration`},
		{op(`{"add":{"name":"a"}}`), "operations[0].add.delta is missing"},
		{op(`{"add":{"name":"a","delta":1.5}}`), "operations[0].add.delta is 1.5, not a whole number"},
		{op(`{"add":{"name":"a","delta":9223372036854775808}}`), "operations[0].add.delta is 9223372036854775808, not a whole number"},
		{op(`{"delete":{"name":"a"}},{"append":{"stream":"s","events":[{"type":"t"},{"typ":"t"}]}}`), `operations[1].append.events[1] has no field "typ"`},
		{op(`{"delete":{"name":"a","name":"b"}}`), `transaction has "name" twice`},
		{condition(`{"stream_length":{"stream":"s","length":-1}}`), "conditions[0].stream_length.length is -1"},
		{condition(`{"range_unchanged":{"prefix":"a","from":"b","since":"1"}}`), "conditions[0].range_unchanged.prefix is given beside from or to"},
		{condition(`{"range_unchanged":{"prefix":"a"}}`), "conditions[0].range_unchanged.since is missing"},
		{condition(`{"lease_held":{"lease":"l","token":7}}`), "conditions[0].lease_held.token is 7, not a fencing token as a string"},
		{strings.Repeat(`{"a":`, 200), "nested deeper"},
		{"{\"group\":\"\xff\"}", "is not valid UTF-8"},
		{`{"group":"g","id":"o\ud800"}`, `transaction has the escape \ud800, half of a surrogate pair`},
		{`{"group":"g","id":"\uD83D\uD83D\uDE00"}`, `the escape \uD83D`},
		{`{"group":"g","id":"\udc00\ud800"}`, `the escape \udc00`},
		{`{"group":"g","id":"\\\udfff"}`, `the escape \udfff`},
		{`{"group":"g","\ud800":1}`, `the escape \ud800`},
		{op(`{"put":{"name":"a","value_json":{"x":["\ud800"]}}}`), `the escape \ud800`},
	} {
		_, err := parseTransaction([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s:\n%v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestSurrogatePairs: pairs, and what only looks like an escape, are text.
func TestSurrogatePairs(t *testing.T) {
	for text, want := range map[string]string{
		`\ud83d\ude00`: "😀", `\\ud800`: `\ud800`, `\\\u0041`: `\A`, `\ufffd`: "\ufffd", `\uD83D\uDE00!`: "😀!",
	} {
		got, err := parseTransaction([]byte(`{"group":"` + text + `"}`))
		if err != nil || got.group != want {
			t.Errorf("%s is read as %+v, %v, want %q", text, got, err, want)
		}
	}
}

// TestTransactionDocs reads every example of the reference page.
func TestTransactionDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "reference", "transaction-json.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```json\n")[1:]
	if len(examples) < 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		text, _, _ := strings.Cut(example, "```")
		parsed, err := parseTransaction([]byte(text))
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		whole := mainstem.Transaction{Group: parsed.group, ID: mainstem.ID{Opaque: parsed.id}, Conditions: parsed.conditions, Operations: parsed.operations}
		if err := whole.Validate(); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}
