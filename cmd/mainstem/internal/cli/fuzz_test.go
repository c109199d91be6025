package cli

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// quietEnv is an env that throws away what is printed.
func quietEnv() *env {
	return newEnv(context.Background(), strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer), false)
}

// FuzzCommandLine parses command lines, one argument a line: an error is
// wrong usage and says so on one line.
func FuzzCommandLine(f *testing.F) {
	for _, line := range []string{
		"get shop/greeting --json", "put a/b c --ttl 1h --id x", "add a/b -1 --floor -5", "add a/b -- -1", "scan",
		"read a/s --after 1 --limit 2", "feed --follow --after AQ", "import x.csv --key a/{b} --columns a,b",
		"demo --kills 10 --no-naive", "get --help", "get a/b --at 1 --time 2026-01-02T03:04:05Z", "rewind a/ --to 1 --id x",
		"put a/b \xff --id \xfe", "put a/\ufffd \ufffd",
	} {
		f.Add(strings.Join(strings.Fields(line), "\n"))
	}
	f.Fuzz(func(t *testing.T, lines string) {
		parsed, err := parse(quietEnv(), strings.Split(lines, "\n"))
		if err == nil {
			if !utf8.ValidString(lines) {
				t.Errorf("%q was read, and is not UTF-8", lines)
			}
			if parsed != nil && parsed.Selected() != nil {
				for _, argument := range parsed.Selected().Positional {
					wantWhole(t, lines, fmt.Sprint(reflect.Indirect(argument.Target)))
				}
			}
			return
		}
		if p := problemOf(err); p.exit != exitUsage || strings.Contains(p.Error(), "\n") {
			t.Errorf("%q: exit code %d: %s", lines, p.exit, p.Error())
		}
	})
}

// wantWhole: the replacement character comes out only where it went in.
func wantWhole(t *testing.T, in, out string) {
	t.Helper()
	const replaced = "\ufffd"
	if strings.Contains(out, replaced) && !strings.Contains(in, replaced) && !strings.Contains(strings.ToLower(in), `\ufffd`) {
		t.Errorf("%q was read as %q", in, out)
	}
}

// FuzzTemplate: what a template makes is a path that holds to the limits, and
// a template without columns means what the same path means.
func FuzzTemplate(f *testing.F) {
	for _, seed := range [][2]string{
		{"item-{sku}/price", "7"}, {"{a}/{a}", "x/y"}, {"{{a}}/b", ""}, {"a%2Fb/{c}", "%"}, {"a/b/{c}", "\x00"}, {"{", ""}, {"a/}", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		parsed, err := parseTemplate(text)
		if err != nil {
			return
		}
		asked := false
		got, err := parsed.fill(func(string) (string, bool) { asked = true; return value, true })
		if err != nil {
			return
		}
		if err := got.Validate(); err != nil || got.Name == "" && !asked {
			t.Errorf("template %q makes %+v: %v", text, got, err)
		}
		if want, err := mainstem.ParsePath(text); !strings.ContainsAny(text, "{}") && (err != nil || want != got) {
			t.Errorf("template %q makes %+v, as a path it is %+v (%v)", text, got, want, err)
		}
	})
}

// FuzzTransaction: a transaction is read or refused as wrong usage, and what
// was read can be validated.
func FuzzTransaction(f *testing.F) {
	for _, seed := range []string{
		`{"group":"g","id":"i","conditions":[{"key_absent":{"name":"a"}},{"key_unchanged":{"name":"a","since":"1"}},{"key_equals":{"name":"a","counter":1}}]}`,
		`{"group":"g","conditions":[{"range_unchanged":{"prefix":"a","since":"1"}},{"streams_unchanged":{"from":"a","to":"b","since":"1"}},{"committed":{"id":"x"}}]}`,
		`{"group":"g","operations":[{"put":{"name":"a","value_json":{"x":[1]},"ttl":"1h"}},{"delete":{"name":"a"}},{"add":{"name":"n","delta":-1,"floor":0,"ceiling":9}}]}`,
		`{"group":"g","operations":[{"append":{"stream":"s","events":[{"type":"t","data_base64":"AA=="}]}},{"emit":{"topic":"t","type":"x","data":"y"}},{"void":{"id":"x"}}]}`,
		`{"group":"g","operations":[{"acquire":{"lease":"l","owner":"o","ttl":"1s"}},{"renew":{"lease":"l","token":"1","ttl":"1s"}},{"release":{"lease":"l","token":"1"}},{"present":{"lease":"l","token":"1"}}]}`,
		`{"group":"g","group":"h"}`, `{"group":null}`, `[]`, `null`, `{"group":"g"} x`, "{\"group\":\"\xff\"}", `{"group":"g\ud800"}`, `{"group":"\ud83d\ude00"}`, strings.Repeat("[", 200),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseTransaction(text)
		if err != nil {
			if p := problemOf(err); p.exit != exitUsage {
				t.Errorf("%q: exit code %d: %s", text, p.exit, p.Error())
			}
			return
		}
		whole := mainstem.Transaction{Group: got.group, Conditions: got.conditions, Operations: got.operations, Reply: got.reply}
		_ = whole.Validate()                          // may refuse, must not panic
		if !bytes.Contains(text, []byte("_base64")) { // there every byte may be
			wantWhole(t, string(text), fmt.Sprintf("%s", got))
		}
	})
}

// drain reads rows to their end: each is sound or says why not, lines go up,
// and no name or value has changed on the way.
func drain(t *testing.T, text string, rows iter.Seq2[row, error]) {
	t.Helper()
	last := 0
	for r, err := range rows {
		if err != nil {
			return
		}
		if r.line <= last {
			t.Fatalf("line %d after line %d", r.line, last)
		}
		last = r.line
		if r.err != nil {
			continue
		}
		whole := mainstem.Transaction{Group: r.group, Operations: []mainstem.Operation{r.operation}}
		if err := whole.Validate(); err != nil {
			t.Fatalf("line %d was read, and is not valid: %v", r.line, err)
		}
		if !strings.Contains(text, "_base64") {
			wantWhole(t, text, fmt.Sprintf("%s %s", r.group, r.operation))
		}
	}
}

func FuzzJSONRows(f *testing.F) {
	f.Add("{\"id\":1}\n\n{\"id\":\"x\",\"y\":{}}\n", true)
	f.Add("{\"key\":\"a/b\",\"value\":\"c\",\"ttl\":\"1h\"}\n{\"stream\":\"a/s\",\"number\":1,\"type\":\"t\",\"data\":\"d\"}\n", false)
	f.Add("\xef\xbb\xbf{\"key\":\"a/b\",\"counter\":5}", false)
	f.Add("{\"id\":1", true)
	f.Add("{\"id\":\"\\ud800\"}\n{\"id\":\"\xff\"}", true)
	key, err := parseTemplate("g/{id}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, keyed bool) {
		if keyed {
			drain(t, text, jsonRows(strings.NewReader(text), &key))
		} else {
			drain(t, text, jsonRows(strings.NewReader(text), nil))
		}
	})
}

func FuzzCSVRows(f *testing.F) {
	f.Add("id,b\n1,2\n\"x\ny\",3\n", true)
	f.Add("1,2\n3\n4,5,6\n\"7,8\n", false)
	f.Add("\xef\xbb\xbfid\n1\n", true)
	f.Add("id,\xff\n1,\xfe\n", true)
	f.Add("id,id\n1,2\n", true)
	f.Add("1,\xfe\n", false)
	key, err := parseTemplate("g/{id}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, header bool) {
		columns := []string{"id", "b"}
		if header {
			columns = nil
		}
		drain(t, text, csvRows(strings.NewReader(text), key, columns))
	})
}
