package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/bench/internal/strace"
)

const (
	notChecked = "not run: this row acknowledges no writes"
	notAsked   = "not run: -check=false"
	// checkFor is how long a system is traced, at most, after warming up for as
	// long: with thousands of clients the slowest take most of a second to answer
	// for the first time.
	checkFor = time.Second
)

// check traces a row's system: once with a single client, whether each request
// is answered after a sync of what it wrote, and once with as many clients as the
// row has, how often it syncs.
func (r *run) check(ctx context.Context, i int, at *row) error {
	if !r.options.check || !writes(at) || r.gone[at.job.Peer] || r.failed[i] {
		return nil
	}
	for _, clients := range []int{1, at.job.Clients} {
		if r.traces[at.system][clients] != nil {
			continue
		}
		if r.traces[at.system] == nil {
			r.traces[at.system] = map[int]*traced{}
		}
		t, err := r.trace(ctx, at, clients)
		if err != nil {
			return err
		}
		r.traces[at.system][clients] = t
		r.say("%s, %d clients, traced: %d syncs for %d operations; %d of %d looked at one by one were answered unsynced %s",
			at.system, clients, t.report.Syncs, t.ops, t.report.Unsynced, t.report.Ops, t.why)
	}
	return nil
}

func (r *run) trace(ctx context.Context, at *row, clients int) (*traced, error) {
	job := at.job
	job.Task, job.Clients, job.Marked, job.Beside = "closed", clients, true, false
	job.Kinds = slices.DeleteFunc(slices.Clone(job.Kinds), func(k peer.Kind) bool { return k == peer.Get })
	job.Keys = min(job.Keys, 2*clients)
	job.For = min(max(job.For/4, 100*time.Millisecond), checkFor)
	job.Warm = job.For
	job.Variant = r.best[setting(&at.job)]
	r.serial++
	job.Serial = r.serial
	out := r.options.place("trace")
	figures, report, err := visitTraced(ctx, &job, out)
	if removed := os.Remove(out); err == nil {
		err = removed
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, strace.ErrMissing):
		return &traced{why: "not run: " + err.Error()}, nil
	case err != nil:
		return &traced{why: "not run: the traced visit failed: " + err.Error()}, nil //nolint:nilerr // it is told in the row
	}
	return &traced{report: report, ops: figures[0].Ops}, nil
}

// writes reports whether a row's clients wait for durable writes.
func writes(at *row) bool {
	return at.job.Peer != "floor-state" && at.job.Retain == "" && slices.ContainsFunc(at.job.Kinds, func(k peer.Kind) bool { return k != peer.Get })
}

// addTrace says in a result what the traces have shown.
func (r *run) addTrace(result *Result, at *row) {
	if !writes(at) {
		return
	}
	result.SyncsChecked = notAsked
	traces := r.traces[at.system]
	if one := traces[1]; one != nil {
		switch {
		case one.why != "":
			result.SyncsChecked = one.why
		default:
			result.SyncsChecked = one.report.Ops > 0 && one.report.Unsynced == 0
		}
	}
	if at.job.Task != "closed" {
		return // a trace is of clients who wait, and others sync as often as they arrive
	}
	if many := traces[at.job.Clients]; many != nil && many.why == "" && many.ops > 0 {
		share := 1.0 // of the operations that write
		if len(at.job.Kinds) > 1 {
			share = 0.5
		}
		result.FsyncsPerS = number(result.OpsPerS * share * float64(many.report.Syncs) / float64(many.ops))
	}
}
