package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInvalidTextIsRefused: two arguments that differ only in bytes that are
// not UTF-8 must never become one ID, one name or one value.
func TestInvalidTextIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"add", "g/c", "1", "--id", "order-\xff"},
		{"add", "g/c", "1", "--id=order-\xfe"},
		{"add", "g/c\xff", "1"},
		{"add", "g\xff/c", "1"},
		{"put", "g/k", "\xff"},
		{"put", "g/k", "--", "\xff"},
		{"append", "g/s", "data", "--type", "t\xff"},
		{"append", "g/s", "\xed\xa0\x80", "--type", "t"}, // a surrogate as UTF-8 would write it
		{"feed", "--group", "g\xff"},
		{"import", "x.csv", "--key", "g/{a\xff}"},
		{"put", "g/k", "v", "--dir", "d\xff"},
	} {
		got := mainstem(t, dir, "", append(args, "--json")...)
		if got.code != 2 || !strings.Contains(got.err, "not valid UTF-8") || !strings.Contains(got.err, "--value-file") || got.out != "" {
			t.Errorf("%q: exit code %d, %s%s", args, got.code, got.out, got.err)
		}
		wantJSON(t, strings.Join(args, " "), got.err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%d entries afterwards: %v", len(entries), err)
	}
}

// TestTextIsExact: text that is UTF-8 goes through the command line as it is,
// the replacement character included.
func TestTextIsExact(t *testing.T) {
	t.Parallel()
	dir, text := t.TempDir(), "\ufffd \u2028 <&> \x01 😀"
	if got := mainstem(t, dir, "", "put", "g/"+text, text); got.code != 0 {
		t.Fatal(got)
	}
	if got := mainstem(t, dir, "", "get", "g/"+text); got.out != text {
		t.Errorf("%q came out as %q, %s", text, got.out, got.err)
	}
}

// TestInvalidCSVIsRefused: what JSON cannot hold, and what it would hold twice,
// is not imported as something else.
func TestInvalidCSVIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		text, said string
		flags      []string
	}{
		{text: "id,b\xff\n1,x\n", said: "the name of column 2"},
		{text: "id,b\n1,x\xff\n", said: `line 2: column \"b\" is not valid UTF-8`},
		{text: "id,b\n\xfe,x\n", said: "not valid UTF-8"},
		{text: "id,b,id\n1,x,2\n", said: `the name of column 3, \"id\", is there twice`},
		{text: "1,2\n", said: `the name of column 2, \"id\", is there twice`, flags: []string{"--columns", "id,id"}},
		{text: "", said: "no header line"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := mainstem(t, dir, "", append([]string{"import", "x.csv", "--key", "g/{id}", "--json"}, c.flags...)...)
		if got.code != 2 || !strings.Contains(got.err, c.said) {
			t.Errorf("%q: exit code %d, %s%s, want %s", c.text, got.code, got.out, got.err, c.said)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "mainstem-data")); err == nil {
		t.Error("a refused import made a database")
	}
}
