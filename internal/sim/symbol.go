package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// resolve puts this target's positions, tokens and ages for the symbols.
func (r *runner) resolve(t mainstem.Transaction) *mainstem.Transaction {
	t.Conditions, t.Operations = slices.Clone(t.Conditions), slices.Clone(t.Operations)
	if born := r.at[int(t.ID.Born)]; t.ID.Born > 0 {
		t.ID.Born = born.age
	}
	if t.Deadline > 0 {
		t.Deadline = r.at[int(t.Deadline)].age.Add(5 * time.Second)
	}
	for i, c := range t.Conditions {
		switch c := c.(type) {
		case mainstem.KeyUnchanged:
			c.Since = r.at[int(c.Since)].position
			t.Conditions[i] = c
		case mainstem.RangeUnchanged:
			c.Since = r.at[int(c.Since)].position
			t.Conditions[i] = c
		case mainstem.StreamsUnchanged:
			c.Since = r.at[int(c.Since)].position
			t.Conditions[i] = c
		case mainstem.LeaseHeld:
			c.Token = r.token(c.Token, c.Lease)
			t.Conditions[i] = c
		}
	}
	for i, o := range t.Operations {
		switch o := o.(type) {
		case mainstem.Renew:
			o.Token = r.token(o.Token, o.Lease)
			t.Operations[i] = o
		case mainstem.Release:
			o.Token = r.token(o.Token, o.Lease)
			t.Operations[i] = o
		}
	}
	return &t
}

func (r *runner) token(symbol mainstem.FencingToken, lease string) mainstem.FencingToken {
	return r.tokens[fmt.Sprint(symbol, "/", lease[strings.LastIndexByte(lease, '/')+1:])]
}

// failure is what two databases must agree on: the code, and which condition.
func failure(err error) string {
	var e *mainstem.Error
	if !errors.As(err, &e) {
		return "WRONG: an error without a code: " + err.Error()
	}
	if e.Condition > 0 {
		return fmt.Sprintf("%s (condition %d)", e.Code, e.Condition)
	}
	return e.Code.String()
}

func (r *runner) receipt(group string, ops []mainstem.Operation, receipt *mainstem.Receipt) string {
	var b strings.Builder
	b.WriteString("committed")
	for i, result := range receipt.Results {
		fmt.Fprintf(&b, " [%d %d", result.Counter, result.Length)
		if result.Token != 0 {
			b.WriteString(" token " + r.owner(group, leaseOf(ops, i), result.Token))
		}
		b.WriteString("]")
	}
	fmt.Fprintf(&b, " %q", receipt.Reply)
	if receipt.Refused {
		b.WriteString(" refused")
	}
	if receipt.Replayed {
		fmt.Fprintf(&b, " replayed from #%d", r.writer[fmt.Sprint(group, "/", receipt.Position)])
	}
	return b.String()
}

// leaseOf is the lease that the i-th operation acquires. A retry may come with
// other operations than the first attempt; then the name is not known.
func leaseOf(ops []mainstem.Operation, i int) string {
	if i < len(ops) {
		if a, ok := ops[i].(mainstem.Acquire); ok {
			return a.Lease
		}
	}
	return ""
}

// owner names a token by the operation that was granted it.
func (r *runner) owner(group, lease string, token mainstem.FencingToken) string {
	if lease == "" {
		return "of some lease"
	}
	return fmt.Sprint("#", r.granted[fmt.Sprint(group, "/", lease, "/", token)])
}

func (r *runner) version(group string, v mainstem.Version) string {
	place := fmt.Sprint(group, "/", v.Position)
	text := fmt.Sprintf("%s=%t:%s by #%d", v.Name, v.Exists, v.Value, r.writer[place])
	if v.Until > 0 {
		text += " for " + v.Until.Sub(r.ages[place]).String()
	}
	return text
}

func (r *runner) lease(group, name string, l mainstem.Lease) string {
	return fmt.Sprintf("%q token %s released %t", l.Owner, r.owner(group, name, l.Token), l.Released)
}
