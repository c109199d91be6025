package workload

import "fmt"

// orders are pairs of fields of which the first is never above the second.
var orders = []struct{ low, high, why string }{
	{"objectives.p99", "objectives.p999", "99 of 100 requests are never slower than 999 of 1,000"},
	{"observed.p99", "observed.p999", "99 of 100 requests are never slower than 999 of 1,000"},
	{"quorum.w", "quorum.n", "no more copies confirm than there are"},
	{"quorum.r", "quorum.n", "no more copies are asked than there are"},
}

// check finds figures that contradict each other. Requirements that do are
// no mistake of the description: the answer names them.
func check(w *Workload) (bad Problems) {
	for _, o := range orders {
		low, high := w.Get(o.low), w.Get(o.high)
		if low.Known && high.Known && low.Amount > high.Amount {
			bad = append(bad, at(low, o.low, "%s is above %s, which is %s; %s: is one of them in the wrong unit?",
				low.Text, o.high, high.Text, o.why))
		}
	}
	bad = append(bad, disagreements(w)...)
	n, _ := w.Count("operations")
	sum := 0.0
	for i := range n {
		path := fmt.Sprintf("operations[%d].share", i)
		v := w.Get(path)
		if sum += v.Amount; v.Known && sum > 100.0000001 {
			bad = append(bad, at(v, path, "with it the shares add up to %.6g %%; they are parts of one whole, 100 %% at most", sum))
			break
		}
	}
	n, _ = w.Count("externals")
	for i := range n {
		path := fmt.Sprintf("externals[%d].timeout", i)
		timeout, p99 := w.Get(path), w.Get(fmt.Sprintf("externals[%d].p99", i))
		if timeout.Known && p99.Known && timeout.Amount < p99.Amount/100 {
			bad = append(bad, at(timeout, path, "%s is less than a hundredth of the p99 of %s, so that almost every call is given up; is it in the wrong unit?",
				timeout.Text, p99.Text))
		}
	}
	return bad
}

// disagreements are two answers to one question that differ.
func disagreements(w *Workload) (bad Problems) {
	own, share := w.Get("consistency.own_data"), w.Get("consistency.own_data_share")
	if share.Known && (own.Yes() && share.Amount < 50 || own.No() && share.Amount > 50) {
		bad = append(bad, at(own, "consistency.own_data", "%s, and consistency.own_data_share is %s; correct one", own.Text, share.Text))
	}
	single, regions := w.Get("scope.single_machine"), w.Get("regions.count")
	if single.Yes() && regions.Amount > 1 {
		bad = append(bad, at(regions, "regions.count", "%s regions, and scope.single_machine is yes; correct one", regions.Text))
	}
	if hard, deadline := w.Get("scope.hard_deadline"), w.Get("scope.deadline"); hard.No() && deadline.Known {
		bad = append(bad, at(deadline, "scope.deadline", "%s, and scope.hard_deadline is no; correct one", deadline.Text))
	}
	measured := w.Get("observed.bottleneck")
	for _, claim := range []struct{ path, bottleneck string }{
		{"load.write_bottleneck", "writes"},
		{"load.coordination_dominates", "coordination"},
	} {
		if v := w.Get(claim.path); measured.Known && v.Known && v.Yes() != (measured.Text == claim.bottleneck) {
			bad = append(bad, at(measured, "observed.bottleneck", "%s, and %s is %s; correct one", measured.Text, claim.path, v.Text))
		}
	}
	return bad
}

func at(v Value, path, format string, args ...any) Problem {
	return Problem{Line: v.Line, Column: v.Column, Path: path, What: fmt.Sprintf(format, args...)}
}

// Check is what Decode checks beyond single values, for a workload that was
// built by Set: nil, or a Problems.
func (w *Workload) Check() error {
	if bad := check(w); len(bad) > 0 {
		return bad
	}
	return nil
}
