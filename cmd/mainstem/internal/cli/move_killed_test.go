//go:build unix

package cli_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	db "github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/remote"
)

// stubborn adds one at a time through a server until it is told to rest, each under its
// own ID until that has an answer.
func stubborn(t *testing.T, s *served, word string) (rest func() (added int64)) {
	t.Helper()
	client, err := remote.Open(s.address)
	if err != nil {
		t.Fatal(err)
	}
	stop, added := make(chan struct{}), int64(0)
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			for {
				_, err := client.Group("item").Do(t.Context(), fmt.Sprint(word, "-", n), func(tx *db.Txn) error { tx.Add("n", 1); return nil })
				if err == nil {
					break
				}
				if !db.CodeOf(err).Retryable() && db.CodeOf(err) != db.Undecided {
					t.Errorf("adding: %v", err)
					return
				}
			}
			added++
		}
	})
	return func() int64 {
		close(stop)
		all.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		return added
	}
}

// killedAt asks a server to move, and kills it once it has come to a step.
func killedAt(t *testing.T, s *served, url, step string) {
	t.Helper()
	client, err := remote.Open(s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := false
	_, err = client.Move(ctx, url, func(m remote.MoveStep) {
		if m.Step == step && !killed {
			killed = true
			s.stop(syscall.SIGKILL)
			cancel()
		}
	})
	if !killed {
		t.Fatalf("the move to %s did not come to %q: %v", url, step, err)
	}
}

// TestMoverIsKilled: the server that moves a database is killed at each step that others
// can see, on the way from PostgreSQL to JetStream and from there to another PostgreSQL,
// while clients write through another one. Whoever is asked again brings it to its end;
// nothing is lost or done twice.
func TestMoverIsKilled(t *testing.T) {
	t.Parallel()
	jetstream := natsOf(t)
	dir := t.TempDir()
	home := logIn(t, dir)
	start := func(name string) *served {
		return serve(t, dir, "--dir", name, "--node", name, "--log", home, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--accept-weak-durability")
	}
	a, b := start("a"), start("b")
	want := int64(0)
	for _, leg := range []struct{ step, to, engine string }{
		{node.MoveCopy, jetstream("one"), "jetstream"},
		{node.MoveConfirm, logIn(t, dir), "postgres"},
		{node.MoveCommit, jetstream("two"), "jetstream"},
	} {
		rest := stubborn(t, b, leg.step)
		killedAt(t, a, leg.to, leg.step)
		a = start("a") // where it was, or where it has gone
		moved(t, b, dir, leg.to)
		want += rest()
		for _, s := range []*served{a, b} {
			if got := asking(t, s.address, dir, "", "get", "item/n"); got.out != fmt.Sprintln(want) {
				t.Errorf("killed at %q: %+v, want %d", leg.step, got, want)
			}
			if got := asking(t, s.address, dir, "", "status"); !strings.Contains(got.out, leg.engine) {
				t.Errorf("killed at %q: %+v, want %s", leg.step, got, leg.engine)
			}
		}
	}
}
