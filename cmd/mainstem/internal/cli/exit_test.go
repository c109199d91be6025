package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestExitCodes names the exit code of every code there is, so that a new one
// is sorted on purpose.
func TestExitCodes(t *testing.T) {
	want := map[mainstem.Code]int{
		mainstem.Conflict: 4, mainstem.Held: 4, mainstem.Fenced: 4, mainstem.Exists: 4, mainstem.OutOfRange: 4,
		mainstem.IDReused: 4, mainstem.TooOld: 4, mainstem.Cancelled: 4,
		mainstem.InProgress: 5, mainstem.Overloaded: 5, mainstem.Undecided: 5, mainstem.Unavailable: 5,
		mainstem.Stopped: 5, mainstem.RetryTransaction: 5,
		mainstem.Corrupt: 6, mainstem.HistoryLost: 6, mainstem.Trimmed: 3,
		mainstem.Invalid: 2, mainstem.WrongGroup: 2, mainstem.TooLarge: 2,
		mainstem.Denied: 1, mainstem.Weak: 1,
	}
	for _, code := range mainstem.Codes() {
		exit, ok := want[code]
		if !ok {
			t.Errorf("%s has no exit code in this test: sort it in exitOf, and here", code)
			continue
		}
		p := problemOf(fmt.Errorf("around: %w", mainstem.Errorf(code, "what happened")))
		if p.exit != exit || p.Code != code.String() || p.Message != "around: what happened" || p.Advice == "" {
			t.Errorf("%s: exit code %d, want %d; %+v", code, p.exit, exit, p)
		}
	}
}

// TestProblems tells the errors that are not Mainstem's own.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
		exit int
	}{
		{fmt.Errorf("x: %w", context.Canceled), "interrupted", 130},
		{fmt.Errorf("x: %w", os.ErrNotExist), "not_found", 3},
		{fmt.Errorf("x: %w", os.ErrPermission), "denied", 1},
		{errors.New("x"), "failed", 1},
		{notFound("look elsewhere", "no %s", "key"), "not_found", 3},
		{misused("do it so", "it is so"), "usage", 2},
	} {
		if p := problemOf(c.err); p.Code != c.code || p.exit != c.exit {
			t.Errorf("%v: %s and %d, want %s and %d", c.err, p.Code, p.exit, c.code, c.exit)
		}
	}
}

func TestProblemIsOneLine(t *testing.T) {
	p := problem{Code: "failed", Message: "one\n  two", Condition: 3, Advice: "three"}
	if got, want := p.Error(), "failed: one two (condition 3); three"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
