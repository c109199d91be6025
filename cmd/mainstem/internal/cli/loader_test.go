package cli

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// cutOff is a Backend that stops after some commits, as a process that is
// killed does.
type cutOff struct {
	mainstem.Backend
	left atomic.Int64
}

func (c *cutOff) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if c.left.Add(-1) < 0 {
		return nil, mainstem.Errorf(mainstem.Stopped, "cut off by the test")
	}
	// What was sent is out of the process's hands.
	return c.Backend.Commit(context.WithoutCancel(ctx), t)
}

// lines are 5,000 events of 7 streams in export's form: more than one window.
func lines() (text string, count int) {
	var b strings.Builder
	numbers := map[int]int{}
	for i := range 5000 {
		group := i * i % 7
		numbers[group]++
		fmt.Fprintf(&b, `{"stream":"g%d/s","number":%d,"type":"t","data":"%d"}`+"\n", group, numbers[group], i)
	}
	return b.String(), 5000
}

// TestImportContinues cuts an import off after each of several commits and
// runs it again: the second run replays what is there, adds what is not, and
// each line is there once, in order.
func TestImportContinues(t *testing.T) {
	text, count := lines()
	for _, after := range []int64{0, 1, 5, 9} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			db, err := embedded.Open(t.Context(), t.TempDir(), embedded.Memory(memory))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			e := quietEnv()
			e.ctx = t.Context()
			cut := &cutOff{Backend: db.Backend()}
			cut.left.Store(after)
			first := loader{env: e, db: mainstem.New(cut), hash: "h", bar: newBar(e, "import", count)}
			if err := first.all(jsonRows(strings.NewReader(text), nil)); mainstem.CodeOf(err) != mainstem.Stopped {
				t.Fatalf("the first run ended with %v", err)
			}
			second := loader{env: e, db: db.DB, hash: "h", bar: newBar(e, "import", count)}
			if err := second.all(jsonRows(strings.NewReader(text), nil)); err != nil {
				t.Fatal(err)
			}
			if second.sum.Lines != count || second.sum.Replayed != int(after) {
				t.Errorf("second run: %+v, want %d lines, %d transactions replayed", second.sum, count, after)
			}
			if got := events(t, db); got != count {
				t.Errorf("%d events in the database, want %d", got, count)
			}
		})
	}
}

// events counts the events of all groups, and checks their order.
func events(t *testing.T, db *embedded.DB) (count int) {
	t.Helper()
	cut, err := db.Cut(t.Context(), mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()
	for group, err := range cut.Groups(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		for e, err := range cut.Group(group).Events(t.Context(), "s", 0) {
			if err != nil {
				t.Fatal(err)
			}
			var n int
			if _, err := fmt.Sscan(string(e.Data), &n); err != nil || n <= last {
				t.Fatalf("group %s: line %s after %d", group, e.Data, last)
			}
			last = n
			count++
		}
	}
	return count
}

// TestStoppedImportSaysWhatToDo: the same command goes on only where it can.
func TestStoppedImportSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err       error
		want, not string
	}{
		{mainstem.Errorf(mainstem.Unavailable, "x"), "again: it goes on there", "then run"},
		{fmt.Errorf("x: %w", context.Canceled), "again: it goes on there", "then run"},
		{mainstem.Errorf(mainstem.Overloaded, "x"), "again: it goes on there", "would stop"},
		{mainstem.Errorf(mainstem.Conflict, "x"), "would stop there again", "goes on"},
		{mainstem.Errorf(mainstem.Denied, "x"), "; then run the same command: it goes on there", "would stop"},
	} {
		p := problemOf(stopped(7, c.err))
		if text := p.Error(); !strings.Contains(text, c.want) || strings.Contains(text, c.not) || !strings.Contains(text, "stopped after 7 lines") {
			t.Errorf("%v: %s", c.err, text)
		}
		if want := problemOf(c.err); p.exit != want.exit || p.Code != want.Code {
			t.Errorf("%v: %s and %d, want %s and %d", c.err, p.Code, p.exit, want.Code, want.exit)
		}
	}
}

// TestPlaceOfAnError: what failed in a batch is named by its line in the file,
// although a stream's later events have no condition of their own.
func TestPlaceOfAnError(t *testing.T) {
	db, err := embedded.Open(t.Context(), t.TempDir(), embedded.Memory(memory))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text := `{"key":"g/k","value":"v"}
{"stream":"g/a","number":1,"type":"t"}
{"stream":"g/a","number":2,"type":"t"}
{"stream":"g/b","number":5,"type":"t"}
`
	l := loader{env: quietEnv(), db: db.DB, hash: "h", bar: newBar(quietEnv(), "import", 4)}
	if err := l.all(jsonRows(strings.NewReader(text), nil)); err == nil || !strings.HasPrefix(err.Error(), "line 4: ") {
		t.Errorf("the import ended with %v, want line 4", err)
	}
}

// TestBatchesFitTransactions: rows of a group are cut so that each part is a
// transaction, wherever the sizes fall.
func TestBatchesFitTransactions(t *testing.T) {
	for _, size := range []int{1, 1000, 100_000, mainstem.LimitValue} {
		var rows []row
		for i := range 300 {
			rows = append(rows, row{line: i + 1, group: "g", operation: mainstem.Put{
				Name: fmt.Sprint(i), Value: mainstem.Bytes(make([]byte, size)),
			}})
		}
		next := 1
		for batch := range batches(rows) {
			whole := mainstem.Transaction{Group: "g"}
			for _, r := range batch {
				if r.line != next {
					t.Fatalf("size %d: line %d, want %d", size, r.line, next)
				}
				next++
				whole.Operations = append(whole.Operations, r.operation)
			}
			if err := whole.Validate(); err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
		}
		if next != 301 {
			t.Errorf("size %d: %d rows of 300", size, next-1)
		}
	}
}
