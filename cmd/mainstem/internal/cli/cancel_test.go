package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// cancelling is standard output that interrupts the command with its first bytes.
type cancelling struct{ cancel context.CancelFunc }

func (c cancelling) Write(b []byte) (int, error) {
	c.cancel()
	return len(b), nil
}

// TestCutOffReadIsNotDone: what was interrupted before its end has not printed
// everything, and must not say that it has.
func TestCutOffReadIsNotDone(t *testing.T) {
	dir := t.TempDir()
	db, err := embedded.Open(t.Context(), dir, embedded.Memory(memory))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 { // more than a batch of the feed, or a page of a scan, can hold
		if _, err := db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error {
			tx.Put(fmt.Sprint(i), make([]byte, 200_000))
			tx.Append("s", mainstem.Event{Type: "t", Data: make([]byte, 200_000)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"feed", "export", "scan g/ --json", "read g/s", "feed --follow"} {
		ctx, cancel := context.WithCancel(t.Context())
		var errs bytes.Buffer
		e := newEnv(ctx, strings.NewReader(""), cancelling{cancel}, &errs, false)
		code, want := e.finish(run(e, append(strings.Fields(command), "--dir", dir))), exitInterrupted
		if strings.Contains(command, "--follow") {
			want = exitOK // it has no end but this
		}
		if code != want {
			t.Errorf("%s: exit code %d, want %d: %s", command, code, want, errs.String())
		}
	}
}
