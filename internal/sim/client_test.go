package sim

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/mainstemdb/mainstem"
)

// script is a list for one group, and what the model says to it: the answers,
// and the state after so many operations.
type script struct {
	list   List
	lines  []string
	states []string
}

func newScript(list List, group string) *script {
	m := NewModel()
	s, r := &script{list: list, states: []string{dump(context.Background(), m.DB(), group)}}, newRunner(context.Background(), m)
	for _, op := range list {
		s.lines = append(s.lines, r.run(op))
		s.states = append(s.states, dump(context.Background(), m.DB(), group))
	}
	return s
}

// client runs a script, one operation after the other.
type client struct {
	group   string
	script  *script
	product *runner
	begun   atomic.Int64 // operations sent
	acked   atomic.Int64 // operations answered for sure
	answers []answer     // of those sent
}

// answer is what one operation was told.
type answer struct {
	sent    *mainstem.Transaction
	receipt *mainstem.Receipt
	code    mainstem.Code
}

// fixed is a database that neither restarts nor lets time pass.
type fixed struct {
	Target
	db *mainstem.DB
}

func (f fixed) DB() *mainstem.DB { return f.db }

// work runs the list up to an operation. It ends early with the first answer
// that is not certain, and with an error at the first that is not the model's.
func (c *client) work(ctx context.Context, db *mainstem.DB, to int) error {
	if c.product == nil {
		c.product = newRunner(ctx, nil)
	}
	c.product.target = fixed{db: db}
	for k := int(c.acked.Load()); k < to; k++ {
		op := c.script.list[k]
		t := c.product.resolve(op.Do.(Commit).Transaction)
		c.answers = append(c.answers, answer{sent: t, code: mainstem.Undecided})
		c.begun.Add(1)
		receipt, err := db.Backend().Commit(ctx, t)
		if uncertain(err) {
			return err
		}
		line := c.product.outcome(op.Number, c.group, t.ID.String(), t.Operations, receipt, err)
		if want := c.script.lines[k]; line != want {
			return fmt.Errorf("group %s, %s: answered %s, the model says %s", c.group, op, line, want)
		}
		c.answers[k] = answer{sent: t, receipt: receipt, code: mainstem.CodeOf(err)}
		c.acked.Add(1)
	}
	return nil
}

// uncertain is an answer that says nothing about the transaction.
func uncertain(err error) bool {
	switch mainstem.CodeOf(err) {
	case mainstem.Undecided, mainstem.Unavailable, mainstem.Stopped, mainstem.Overloaded, mainstem.Corrupt:
		return true
	default:
		return false
	}
}

// judge holds a database after a power cut to what was acknowledged before:
// the state is the model's after lo to hi operations, every receipt is given
// again, and going on from there ends where the model ended.
func (c *client) judge(ctx context.Context, db *mainstem.DB, lo, hi int) (wrong []string) {
	state, at := dump(ctx, db, c.group), -1
	for k := hi; k >= lo && at < 0; k-- {
		if c.script.states[k] == state {
			at = k
		}
	}
	if at < 0 {
		return []string{fmt.Sprintf("(L4) group %s has the state\n%s\nwhich is not the model's after %d to %d operations:\n%s", c.group, state, lo, hi, c.script.states[lo])}
	}
	for k := range min(hi, len(c.answers)) {
		a := c.answers[k]
		if k < at && a.receipt == nil && a.code != mainstem.Undecided {
			continue // refused then; now, after others, it might not be
		}
		again := *a.sent
		again.Attempt = 100
		r, err := db.Backend().Commit(ctx, &again)
		switch {
		case k < lo && a.receipt != nil:
			if err != nil || !r.Replayed || whole(*r) != whole(*a.receipt) {
				wrong = append(wrong, fmt.Sprintf("(L5) group %s: %s was answered %s; the retry is answered %+v, %v", c.group, a.sent.ID, whole(*a.receipt), r, err))
			}
		case a.code == mainstem.Undecided && !uncertain(err): // whatever it is, it is known now
		case k >= at && mainstem.CodeOf(err) != a.code && a.code != mainstem.Cancelled:
			wrong = append(wrong, fmt.Sprintf("group %s: %s was answered %s before the cut, and %v after it", c.group, a.sent.ID, a.code, err))
		}
	}
	if end := dump(ctx, db, c.group); end != c.script.states[hi] {
		wrong = append(wrong, fmt.Sprintf("group %s ends as\n%s\nand not as the model after %d operations:\n%s", c.group, end, hi, c.script.states[hi]))
	}
	return wrong
}

// dump is the visible state of a group without positions.
func dump(ctx context.Context, db *mainstem.DB, group string) string {
	v, err := db.Group(group).View(ctx, mainstem.Latest())
	if err != nil {
		return err.Error()
	}
	defer v.Close()
	var lines []string
	for version, err := range v.Scan(ctx, "", "") {
		lines = append(lines, fmt.Sprintf("%s=%s until %t %v", version.Name, version.Value, version.Until > 0, err))
	}
	for stream, err := range v.Streams(ctx, "", "") {
		lines = append(lines, fmt.Sprintf("stream %s %v", stream, err))
		for e, err := range v.Events(ctx, stream, 0) {
			lines = append(lines, fmt.Sprintf("  %d %s %v", e.Number, e.Data, err))
		}
	}
	for _, name := range slices.Sorted(slices.Values(leases)) {
		l, err := v.Lease(ctx, name)
		lines = append(lines, fmt.Sprintf("lease %s %q released %t %v", name, l.Owner, l.Released, err))
	}
	return fmt.Sprint(lines)
}
