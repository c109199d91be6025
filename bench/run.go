package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/meter"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/bench/internal/strace"
)

// run is one scenario under way.
type run struct {
	options  *options
	scenario *scenario
	report   *Report

	serial  int
	gone    map[string]bool               // systems that are missing
	failed  map[int]bool                  // rows that ended with an error
	best    map[string]string             // the searched setting, by what it is searched for
	tuned   map[string]map[string]float64 // what each value reached
	figures map[int]map[int][]Figure      // by row, and by place in its visit's answer
	traces  map[string]map[int]*traced    // by system, and by clients
	say     func(format string, args ...any)

	postgres *peer.Shared // the server of a scenario that has one for all rows
}

// measure runs a scenario in a directory of its own, which it removes.
func measure(ctx context.Context, o *options, sc *scenario) (report *Report, err error) {
	own, err := o.at(sc)
	if err != nil {
		return nil, err
	}
	where := o.dir
	if where == "" {
		where = "."
	}
	if own.dir, err = os.MkdirTemp(where, ".bench-"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own.dir)) }()
	if own.dir, err = filepath.Abs(own.dir); err != nil {
		return nil, err
	}
	if err := os.Chmod(own.dir, 0o711); err != nil { // PostgreSQL runs as another user
		return nil, err
	}
	r := &run{
		options: own, scenario: sc, gone: map[string]bool{}, failed: map[int]bool{}, best: map[string]string{},
		tuned: map[string]map[string]float64{}, figures: map[int]map[int][]Figure{}, traces: map[string]map[int]*traced{},
		report: &Report{
			Scenario: sc.name, About: sc.about, Machine: meter.Describe(own.dir), Started: time.Now().UTC().Truncate(time.Second),
			Commit: o.commit, Seconds: own.seconds, Rounds: own.rounds, Results: []Result{}, Missing: []Missing{}, Failed: []Failed{}, Aims: []Aim{},
		},
		say: func(format string, args ...any) {
			fmt.Fprintf(o.progress, "bench: "+sc.name+": "+format+"\n", args...)
		},
	}
	if fs := r.report.Machine.Filesystem; fs == "tmpfs" || fs == "ramfs" {
		return nil, fmt.Errorf("%s is on %s, which is memory: nothing there is ever synced; name another place with -dir", where, fs)
	}
	if !sc.shared {
		return r.report, r.all(ctx)
	}
	return r.report, r.onPostgres(ctx)
}

// onPostgres is all of a scenario whose rows share one PostgreSQL. A machine that
// has none misses all of its systems.
func (r *run) onPostgres(ctx context.Context) (err error) {
	dir := r.options.place("postgres")
	if err := os.Mkdir(dir, 0o711); err != nil {
		return err
	}
	server, err := peer.StartPostgres(ctx, dir)
	if errors.Is(err, peer.ErrMissing) {
		rows, missing := r.scenario.plan(r.options)
		for i := range rows {
			missing = append(missing, Missing{System: rows[i].job.Peer, Why: err.Error()})
		}
		r.report.Missing = slices.Compact(missing)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	r.postgres = &peer.Shared{DSN: server.DSN(), PID: server.PID()}
	return r.all(ctx)
}

func (r *run) all(ctx context.Context) error {
	rows, missing := r.scenario.plan(r.options)
	r.report.Missing = append(r.report.Missing, missing...)
	for i := range rows {
		if err := r.prepare(ctx, i, &rows[i]); err != nil {
			return err
		}
	}
	for n := range r.options.rounds {
		for _, at := range order(n, len(rows)) {
			if err := r.visit(ctx, n, at, &rows[at]); err != nil {
				return err
			}
		}
	}
	for i := range rows {
		if err := r.check(ctx, i, &rows[i]); err != nil {
			return err
		}
	}
	r.sum(rows)
	return nil
}

// order is in which order a round visits so many rows.
func order(round, rows int) (at []int) {
	for i := range rows {
		k := (i + round) % rows
		// Nobody always comes after the same one. Of two rows, the turn alone does that.
		if round%2 == 1 && rows > 2 {
			k = rows - 1 - k
		}
		at = append(at, k)
	}
	return at
}

// prepare does what comes before the first round: setting up, and searching the
// best setting.
func (r *run) prepare(ctx context.Context, i int, at *row) error {
	if at.before != nil {
		r.say("%s: %s", at.system, at.before.Task)
		if _, err := r.try(ctx, i, at, at.before); err != nil {
			return err
		}
	}
	p, err := peer.Find(at.job.Peer)
	if err != nil || p.Variants == nil {
		return nil //nolint:nilerr // a floor that is no peer has no settings
	}
	key := setting(&at.job)
	if _, known := r.best[key]; known || r.gone[p.Name] {
		return nil
	}
	variants := p.Variants(at.job.Clients, writes(at))
	if len(variants) == 1 {
		r.best[key] = variants[0]
		return nil
	}
	return r.tune(ctx, i, at, key, variants)
}

// tunings is how often each value of a searched setting is tried, in turns; its
// best counts.
const tunings = 2

// tune finds the value of the searched setting with which a system does most.
func (r *run) tune(ctx context.Context, i int, at *row, key string, variants []string) error {
	reached := map[string]float64{}
	for range tunings {
		for _, variant := range variants {
			job := at.job
			job.Variant, job.Beside = variant, false
			if job.Task != "open" {
				job.Task = "closed"
			}
			job.For = min(max(at.job.For/4, 20*time.Millisecond), 2*time.Second) / tunings
			job.Warm = job.For / 2
			f, err := r.try(ctx, i, at, &job)
			if err != nil {
				return err
			}
			switch {
			case len(f) == 0:
			case job.Task == "open": // where all do the same rate, the fastest answer is the best
				reached[variant] = lower(reached[variant], *micros(f[0].Latencies, 0.99))
			default:
				reached[variant] = max(reached[variant], round(f[0].Rate()))
			}
		}
	}
	if len(reached) == 0 {
		return nil
	}
	r.tuned[key] = reached
	r.best[key] = best(variants, reached, at.job.Task == "open")
	r.say("%s, %d clients: best of %v is %s", at.job.Peer, at.job.Clients, reached, r.best[key])
	return nil
}

// best is the value of a setting that has reached the most, or, of latencies, the least.
func best(variants []string, reached map[string]float64, least bool) string {
	order := func(a, b string) int { return cmp.Compare(reached[a], reached[b]) }
	if measured := slices.DeleteFunc(slices.Clone(variants), func(v string) bool { return reached[v] == 0 }); least && len(measured) > 0 {
		return slices.MinFunc(measured, order)
	}
	return slices.MaxFunc(variants, order)
}

// lower is the lower of two latencies, of which the first may not be there yet.
func lower(a, b float64) float64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// setting names what the searched setting of a job is searched for.
func setting(job *Job) string { return fmt.Sprint(job.Peer, job.Clients, job.Rate) }

// visit measures a row in a round.
func (r *run) visit(ctx context.Context, n, i int, at *row) error {
	job := at.job
	job.Variant = r.best[setting(&job)]
	if r.options.profiles != "" {
		if err := os.MkdirAll(r.options.profiles, 0o755); err != nil {
			return err
		}
		name := fmt.Sprintf("%s-%s-%d-%d.pprof", r.scenario.name, strings.ReplaceAll(at.system, " ", "-"), job.Clients, n+1)
		job.Profile = filepath.Join(r.options.profiles, name)
	}
	figures, err := r.try(ctx, i, at, &job)
	if err != nil || len(figures) == 0 {
		return err
	}
	if r.figures[i] == nil {
		r.figures[i] = map[int][]Figure{}
	}
	for k := range figures {
		r.figures[i][k] = append(r.figures[i][k], figures[k])
		r.say("round %d of %d: %s, %d clients: %.0f/s", n+1, r.options.rounds, at.system, job.Clients, figures[k].Rate())
	}
	return nil
}

// try does one visit, unless the system is missing or the row has failed. Both
// are noted and end nothing else; the error is the end of everything.
func (r *run) try(ctx context.Context, i int, at *row, job *Job) ([]Figure, error) {
	if r.gone[job.Peer] || r.failed[i] {
		return nil, nil
	}
	r.serial++
	job.Serial = r.serial
	job.Postgres = r.postgres
	if job.Database == "" {
		job.Database = fmt.Sprintf("visit%d", r.serial)
	}
	figures, err := visit(ctx, job)
	return figures, r.note(ctx, i, at, err)
}

func (r *run) note(ctx context.Context, i int, at *row, err error) error {
	var missing errMissing
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &missing):
		r.gone[at.job.Peer] = true
		r.report.Missing = append(r.report.Missing, Missing{System: at.job.Peer, Why: missing.why})
		r.say("%s is missing: %s", at.job.Peer, missing.why)
	default:
		r.failed[i] = true
		r.report.Failed = append(r.report.Failed, at.failed(err))
		r.say("%s failed: %v", at.system, err)
	}
	return nil
}

// failed says that the row could not be measured.
func (at *row) failed(err error) Failed {
	f := Failed{System: at.system, Clients: at.job.Clients, Error: err.Error(), rows: at.job.rowsKept(), rate: at.job.Rate}
	if len(at.job.Steps) == 0 { // one visit has all of them
		f.keys = at.job.Keys
	}
	return f
}

// sum makes the results of all figures.
func (r *run) sum(rows []row) {
	named := map[string]Result{}
	for i := range rows {
		at := &rows[i]
		key := setting(&at.job)
		for k := range len(r.figures[i]) {
			result := sum(at.system, at.job.Clients, r.figures[i][k])
			result.Tuned = r.tuned[key]
			r.addTrace(&result, at)
			named[at.name] = result
			r.report.Results = append(r.report.Results, result)
		}
	}
	k := 0
	for i := range rows {
		for range len(r.figures[i]) {
			if to, ok := named[rows[i].against]; ok && rows[i].against != "" {
				r.report.Results[k].Ratio = ratio(&r.report.Results[k], &to)
			}
			k++
		}
	}
	slices.SortStableFunc(r.report.Missing, func(a, b Missing) int {
		return slices.Index(peerNames(), a.System) - slices.Index(peerNames(), b.System)
	})
	r.report.Missing = slices.Compact(r.report.Missing)
	r.report.Aims = judge(r.report)
}

// traced is what a trace of a system has shown at a number of clients.
type traced struct {
	report strace.Report
	ops    int64
	why    string // it was not run
}
