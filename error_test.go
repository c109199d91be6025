package mainstem_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
)

var rewrite = flag.Bool("rewrite", false, "write the conversations in testdata anew")

// What an error says is read by people in the night: the whole of it stands in
// a file and is reviewed like prose.
func TestErrorText(t *testing.T) {
	var b strings.Builder
	for _, c := range mainstem.Codes() {
		fmt.Fprintf(&b, "%-17s %-9s %v\n", c, repeats(c), mainstem.Errorf(c, "WHAT in WHERE"))
	}
	b.WriteString("\n")
	say := func(what string, err error) { fmt.Fprintf(&b, "%s\n\t%v\n", what, err) }
	say("about a condition", &mainstem.Error{Code: mainstem.Conflict, Message: `key "a" was written at position 7`, Condition: 2})
	say("with advice of its own", &mainstem.Error{Code: mainstem.Invalid, Message: `path "x" has no /`, Advice: "write GROUP/NAME"})
	say("with a cause", mainstem.Errorf(mainstem.Unavailable, "writing a batch: %w", os.ErrDeadlineExceeded))
	say("with a cause that has said what to do", mainstem.Errorf(mainstem.Held, "shard 3: %w", mainstem.Errorf(mainstem.Held, "lease")))
	say("with a cause that says something else", mainstem.Errorf(mainstem.Undecided, "order 7, and then: %w", mainstem.Errorf(mainstem.Held, "lease")))
	say("of no code", &mainstem.Error{Message: "nothing is known"})
	_, err := mainstem.ParsePath("x")
	say("a path without a slash", err)
	_, err = mainstem.ParsePath("50%/x")
	say("a path with a stray %", err)
	_, err = mainstem.ParseToken("x")
	say("a token cut off", err)
	_, err = mainstem.ParseID("~x")
	say("an ID like the library's", err)
	tx := mainstem.Transaction{Group: "g", Operations: []mainstem.Operation{mainstem.Delete{Name: "a"}, mainstem.Delete{Name: text(513)}}}
	say("a name that is too long", tx.Validate())
	golden(t, "testdata/errors.txt", b.String())
}

func repeats(c mainstem.Code) string {
	if c.Retryable() {
		return "repeat"
	}
	return "-"
}

// golden compares with a file, or writes it with -rewrite.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; review it, then go test -run '^%s$' -rewrite .\n--- is\n%s--- must be\n%s", file, t.Name(), got, want)
	}
}

// However often an error is wrapped under its own code, the code stands in it once,
// and so does the advice; another code beneath it is said too.
func TestErrorSaysItsCodeOnce(t *testing.T) {
	taken := mainstem.Errorf(mainstem.Fenced, "lease l was granted again")
	keep := func(end func(ctx context.Context) error) (err error) {
		synctest.Test(t, func(t *testing.T) {
			grant := mainstem.Grant{Lease: "l", TTL: time.Minute, Asked: time.Now()}
			err = grant.Keep(t.Context(), func(context.Context) error { return taken }, func(ctx context.Context) error {
				<-ctx.Done()
				return end(ctx)
			})
		})
		return err
	}
	refused := mainstem.Errorf(mainstem.Fenced, "resource r has seen token 7")
	refused.Advice = "look at r"
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"thrice":         {mainstem.Errorf(mainstem.Held, "a: %w", mainstem.Errorf(mainstem.Held, "b: %w", mainstem.Errorf(mainstem.Held, "c"))), "held: a: b: c; wait for the holder to release it or for the lease to expire"},
		"between others": {mainstem.Errorf(mainstem.Held, "a: %w", fmt.Errorf("b: %w", mainstem.Errorf(mainstem.Held, "c"))), "held: a: b: c; wait for the holder to release it or for the lease to expire"},
		"another code":   {mainstem.Errorf(mainstem.Weak, "a: %w", mainstem.Errorf(mainstem.Exists, "b")), "weak: a: exists: b; read what is there before deciding; strengthen the setting, or accept the weaker promise by name"},
		"a lost lease":   {keep(func(context.Context) error { return nil }), "fenced: lease \"l\" is lost: lease l was granted again; stop acting under this lease; acquire it again"},
		"its cause":      {keep(func(ctx context.Context) error { return context.Cause(ctx) }), "fenced: lease \"l\" is lost: lease l was granted again; stop acting under this lease; acquire it again"},
		"and refused":    {keep(func(context.Context) error { return refused }), "fenced: lease \"l\" is lost: lease l was granted again; stop acting under this lease; acquire it again; and its function ended with: resource r has seen token 7; look at r"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s:\n is      %s\n must be %s", name, got, c.want)
		}
	}
	if err := keep(func(context.Context) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v does not lead to what the function ended with", err)
	}
}

func TestErrorIsFound(t *testing.T) {
	inner := mainstem.Errorf(mainstem.Held, "lease")
	outer := fmt.Errorf("while billing: %w", mainstem.Errorf(mainstem.Unavailable, "later: %w", inner))
	if got := mainstem.CodeOf(outer); got != mainstem.Unavailable {
		t.Errorf("CodeOf is %v, must be the outermost", got)
	}
	for code, want := range map[mainstem.Code]bool{mainstem.Unavailable: true, mainstem.Held: true, mainstem.Conflict: false} {
		if got := errors.Is(outer, &mainstem.Error{Code: code}); got != want {
			t.Errorf("errors.Is of code %v is %v", code, got)
		}
	}
	if errors.Is(outer, &mainstem.Error{Code: mainstem.Held, Message: "another lease"}) {
		t.Error("an error with another message is taken for this one")
	}
	if got := mainstem.CodeOf(os.ErrClosed); got != 0 {
		t.Errorf("a foreign error has code %v", got)
	}
}

func TestCodesInJSON(t *testing.T) {
	for _, c := range mainstem.Codes() {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back mainstem.Code
		if err := json.Unmarshal(b, &back); err != nil || back != c {
			t.Errorf("%v is written %s and read as %v, %v", c, b, back, err)
		}
	}
	var c mainstem.Code
	if err := json.Unmarshal([]byte(`"code(0)"`), &c); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("an unknown code is read as %v, %v", c, err)
	}
}
