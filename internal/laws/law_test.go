//go:build breaklaw

package laws

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/internal/breaklaw"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promise is what must hold of a new database of one engine. It returns the
// first breach, which names the law.
type promise func(w *world) error

// checks are the checks by what they hold a database to: a law, or one of the
// two conditions that users lean on most.
var checks = []struct {
	law   string
	cites string // what the message has to name
	holds promise
	// history says that the check judges the real time of concurrent clients;
	// the others run in a bubble of time, so that what waits is known to wait.
	history bool
}{
	{law: "L1", cites: "(L1)", holds: positionsMeanOneThing},
	{law: "L2", cites: "(L2)", holds: holesStop},
	{law: "L2", cites: "(L2)", holds: strangersStop},
	{law: "L3", cites: "(L3)", holds: listsAreSerializable, history: true},
	{law: "L3", cites: "(L3)", holds: linearizable("L3"), history: true},
	{law: "L4", cites: "(L4)", holds: nothingLeavesEarly},
	{law: "L5", cites: "(L5)", holds: retriesCommitOnce},
	{law: "L6", cites: "(L6)", holds: jumpsForgetNothing},
	{law: "L7", cites: "(L7)", holds: staleTokensAreFenced},
	{law: "L7", cites: "(L7)", holds: foreignTokensOnlyRise},
	{law: "L8", cites: "(L8)", holds: thePastIsThePast},
	{law: "L8", cites: "(L8)", holds: tokensAreHonoured},
	{law: "L10", cites: "(L10)", holds: queuesAreBounded},
	{law: "L11", cites: "(L11)", holds: refusedStaysRefused},
	{law: "L11", cites: "(L11)", holds: deadlinesHold},
	{law: "L12", cites: "(L12)", holds: flippedBitsAreFound},
	{law: "floor", cites: "floor", holds: stockIsNeverOversold},
	{law: "floor", cites: "(floor)", holds: linearizable("floor"), history: true},
	{law: "version", cites: "(version)", holds: compareAndSetSetsOnce},
}

// TestEveryLawHasACheckThatGoesRed: each check is green on the product as it
// is, and red when the law is broken on purpose; its message cites the law.
func TestEveryLawHasACheckThatGoesRed(t *testing.T) {
	for _, c := range checks {
		for _, engine := range []string{"memory", "file"} {
			t.Run(c.law+"/"+engine, func(t *testing.T) {
				breaklaw.Break("")
				if err := run(t, engine, c.holds, c.history); err != nil {
					t.Fatalf("nothing is broken, and the check is red: %v", err)
				}
				breaklaw.Break(c.law)
				defer breaklaw.Break("")
				err := run(t, engine, c.holds, c.history)
				switch {
				case err == nil:
					t.Errorf("%s is broken, and its check stays green", c.law)
				case !strings.Contains(err.Error(), c.cites):
					t.Errorf("%s is broken, and its check does not say so: %v", c.law, err)
				default:
					t.Logf("%s broken, on %s: %v", c.law, engine, err)
				}
			})
		}
	}
}

func run(t *testing.T, engine string, c promise, history bool) (err error) {
	t.Helper()
	try := func(t *testing.T) {
		w, failed := newWorld(t, engine)
		if failed != nil {
			err = failed
			return
		}
		err = c(w)
		w.close()
	}
	if history {
		try(t)
	} else {
		synctest.Test(t, try)
	}
	return err
}

// TestNoLawIsForgotten: the laws that one process can break are all here. L9,
// that a checkpoint and its effect commit together, is one transaction in
// Follow, and is judged by its own tests.
func TestNoLawIsForgotten(t *testing.T) {
	broken := map[string]bool{}
	for _, c := range checks {
		broken[c.law] = true
	}
	for n := 1; n <= 12; n++ {
		if law := fmt.Sprint("L", n); n != 9 && !broken[law] {
			t.Errorf("no check is shown to go red when %s is broken", law)
		}
	}
}
