package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/pg"
)

func openEvents(ctx context.Context, job *Job) (*peer.Events, error) {
	return peer.OpenEvents(ctx, peer.Config{Dir: job.Dir, Clients: job.Clients, Postgres: job.Postgres, Database: job.Database, Keep: job.Keep})
}

// rowsKept is how many rows a job's database held before.
func (job *Job) rowsKept() *int {
	if job.Retain == "" {
		return nil
	}
	return &job.Rows
}

// relaying is a relay and one consumer at work.
type relaying struct {
	cancel context.CancelFunc
	ended  chan error
}

// runRelay starts both. The first error of either ends what waits for them.
func runRelay(ctx context.Context, r *pg.Relay, c pg.Consumer, failed context.CancelCauseFunc) *relaying {
	ctx, cancel := context.WithCancel(ctx)
	w := &relaying{cancel: cancel, ended: make(chan error, 2)}
	for _, run := range []func(context.Context) error{r.Run, func(ctx context.Context) error { return r.Consume(ctx, c) }} {
		go func() {
			err := run(ctx)
			if err != nil {
				failed(err)
			}
			w.ended <- err
		}()
	}
	return w
}

func (w *relaying) stop() error {
	w.cancel()
	return errors.Join(<-w.ended, <-w.ended)
}

// retain fills a database before the first round.
func retain(ctx context.Context, job *Job) (figures []Figure, err error) {
	e, err := openEvents(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	switch job.Retain {
	case keepRequests:
		err = e.Retain(ctx, job.Rows)
	default:
		err = e.Stage(ctx, job.Rows)
	}
	if err == nil && job.Retain == keepNumbered {
		// Nobody takes what this consumer has before it, so nothing is swept.
		_, err = passed(ctx, e, job.Rows, pg.Consumer{Name: "behind", Max: 1}, 1)
	}
	return nil, errors.Join(err, e.Settle(ctx))
}

// passed runs a relay until it has numbered what is staged, and the consumer has
// taken so many events. It says how long that took.
func passed(ctx context.Context, e *peer.Events, staged int, c pg.Consumer, take int) (took time.Duration, err error) {
	if staged == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	enough := errors.New("all events are taken")
	var taken atomic.Int64
	c.Deliver = func(ctx context.Context, events []pg.Event) error {
		n := taken.Add(int64(len(events)))
		if n >= int64(take) && n-int64(len(events)) < int64(take) {
			cancel(enough)
		}
		if n > int64(take) { // the cursor stays where it was asked to stay
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	}
	from := time.Now()
	w := runRelay(context.WithoutCancel(ctx), e.Relay(false, 0), c, cancel)
	<-ctx.Done()
	took = time.Since(from)
	err = w.stop()
	if !errors.Is(context.Cause(ctx), enough) {
		err = errors.Join(context.Cause(ctx), err)
	}
	return took, err
}

// relay is one pass over a backlog: its events are numbered and given to a
// function. It takes as long as it takes, whatever the length of a round.
func relay(ctx context.Context, job *Job) (figures []Figure, err error) {
	e, err := openEvents(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	name := fmt.Sprint("pass", job.Serial)
	if err := errors.Join(e.Subscribe(ctx, name), e.Stage(ctx, job.Fill)); err != nil {
		return nil, err
	}
	f, err := measured(e, job, func(opened, shut func() error) (o load.Outcome, err error) {
		if err := opened(); err != nil {
			return o, err
		}
		o.Ops = int64(job.Fill)
		if o.Elapsed, err = passed(ctx, e, job.Fill, pg.Consumer{Name: name}, job.Fill); err != nil {
			return o, err
		}
		return o, shut()
	})
	f.RowsKept = job.rowsKept()
	f.Note = fmt.Sprintf("one pass over %s new events", thousands(float64(job.Fill)))
	return []Figure{f}, err
}

// delays matches the commits of events with their deliveries.
type delays struct {
	mu        sync.Mutex
	committed map[int64]time.Time
	seen      map[int64]time.Time
	open      int64 // events that one of both is known of, or that are being committed
	recorder  *load.Recorder
	answers   *load.Recorder // how long COMMIT took
	all       sync.Cond
}

func newDelays() *delays {
	d := &delays{committed: map[int64]time.Time{}, seen: map[int64]time.Time{}, recorder: load.NewRecorder(), answers: load.NewRecorder()}
	d.all.L = &d.mu
	return d
}

func (d *delays) begins() {
	d.mu.Lock()
	d.open++
	d.mu.Unlock()
}

// commits notes that COMMIT was answered; an event that was there before that has
// no delay.
func (d *delays) commits(n int64, sent, at time.Time) {
	d.answers.Record(int(n), at.Sub(sent))
	d.mu.Lock()
	defer d.mu.Unlock()
	if seen, ok := d.seen[n]; ok {
		d.ends(n, seen.Sub(at))
	} else {
		d.committed[n] = at
	}
}

func (d *delays) sees(n int64, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if committed, ok := d.committed[n]; ok {
		d.ends(n, at.Sub(committed))
	} else {
		d.seen[n] = at
	}
}

// ends is called by whichever comes second.
func (d *delays) ends(n int64, delay time.Duration) {
	delete(d.seen, n)
	delete(d.committed, n)
	d.recorder.Record(int(n), max(0, delay))
	if d.open--; d.open == 0 {
		d.all.Broadcast()
	}
}

// rest waits until every event is there; false says that ctx ended before.
func (d *delays) rest(ctx context.Context) bool {
	stop := context.AfterFunc(ctx, func() { d.mu.Lock(); d.all.Broadcast(); d.mu.Unlock() })
	defer stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.open > 0 && ctx.Err() == nil {
		d.all.Wait()
	}
	return d.open == 0
}

// delay measures how long events of a steady stream of commits take to a function.
func delay(ctx context.Context, job *Job) (figures []Figure, err error) {
	e, err := openEvents(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var at atomic.Pointer[delays]
	at.Store(newDelays())
	w := runRelay(ctx, e.Relay(job.Listen, job.Poll), pg.Consumer{Name: "c", Deliver: func(_ context.Context, events []pg.Event) error {
		now, d := time.Now(), at.Load()
		for i := range events {
			d.sees(peer.NumberOf(&events[i]), now)
		}
		return nil
	}}, cancel)
	defer func() { err = errors.Join(err, w.stop()) }()
	var next atomic.Int64
	call := func(ctx context.Context, _ int) error {
		d, n := at.Load(), next.Add(1)
		d.begins()
		sent, answered, err := e.Append(ctx, n)
		if err == nil {
			d.commits(n, sent, answered)
		}
		return err
	}
	var commits *load.Latencies
	f, err := measured(e, job, func(opened, shut func() error) (o load.Outcome, err error) {
		// Connections are opened here, not in the window.
		if _, err := (load.Closed{Clients: job.Clients, For: job.Warm}).Run(ctx, call); err != nil {
			return o, err
		}
		if !at.Load().rest(ctx) {
			return o, context.Cause(ctx)
		}
		d := newDelays()
		at.Store(d)
		o, err = load.Open{Rate: job.Rate, For: job.For, Clients: job.Clients, Seed: uint64(job.Serial) + 1, Opened: opened, Shut: shut}.Run(ctx, call)
		if err == nil && !d.rest(ctx) {
			err = context.Cause(ctx)
		}
		o.Latencies, commits = d.recorder.Latencies(), d.answers.Latencies()
		return o, err
	})
	if err != nil {
		return nil, err
	}
	f.OfferedPerS = job.Rate
	f.Note = fmt.Sprintf("COMMIT itself p50 %s µs, p99 %s µs", cell(micros(commits, 0.5)), cell(micros(commits, 0.99)))
	if job.Listen {
		f.Settings["relay"] = "LISTEN"
	} else {
		f.Settings["relay"] = "asks every " + job.Poll.String()
	}
	return []Figure{f}, err
}
