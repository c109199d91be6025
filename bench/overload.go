package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/remote"
)

// How overload is made.
const (
	crowdClients = 16 // connections of a crowd that is too large
	fewCalls     = 16 // callers of a server that has nothing else to do
	beyond       = 10 // times the peak
	// leastPart is how long each part lasts at least: a shorter one can end before anybody
	// has been served, on a machine that has other work.
	leastPart = 500 * time.Millisecond
	// mostUnanswered bounds what the machine that measures has to hold. Arrivals beyond are
	// not sent, nor those that it is lateBy behind with, and the rate that is told is of
	// those that were: otherwise its own queue would be what is measured.
	mostUnanswered = 200_000
	lateBy         = 5 * time.Millisecond
	atOnce         = 64 // arrivals, between which answers are heard
)

// What is measured in a visit.
const (
	waiting  = "callers who wait for their answers"
	arriving = "arrivals that wait for nobody"
	polite   = "polite clients beside wild ones"
)

// overload asks a server for more than it can do: first for what it can, then for ten
// times as much whether it answers or not, then for little again, then by clients that
// repeat whatever they are told at once.
func overload(ctx context.Context, job *Job) (figures []Figure, err error) {
	// Who asks has one processor, in each part alike: what it takes to ask ten times as
	// often is not to come from the server.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s, err := peer.StartApart(job.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	crowd, err := openCrowd(s.Address, crowdClients)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, crowd.close()) }()
	part := max(job.For/4, leastPart)
	peak, err := crowd.closed(ctx, s, job, part)
	if err != nil {
		return nil, err
	}
	before, _, err := crowd.quiet(ctx, time.Second)
	if err != nil {
		return nil, err
	}
	flood, err := crowd.open(ctx, s, job, beyond*peak.Rate(), part)
	if err != nil {
		return nil, err
	}
	flood.NormalAfter, err = crowd.recovers(ctx, before, time.Now())
	if err != nil {
		return nil, err
	}
	if flood.NormalAfter == nil {
		flood.Note = notNormal
	}
	stormed, err := storm(ctx, s, job, part)
	return []Figure{peak, flood, stormed}, err
}

// crowd is callers of a few clients.
type crowd struct {
	clients []*remote.DB
	run     string
	next    atomic.Uint64
	value   []byte
}

func openCrowd(address string, clients int) (*crowd, error) {
	c := &crowd{run: strconv.FormatInt(time.Now().UnixNano(), 36), value: make([]byte, valueBytes)}
	for range clients {
		db, err := remote.Open(address)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.clients = append(c.clients, db)
	}
	return c, nil
}

func (c *crowd) close() (err error) {
	for _, db := range c.clients {
		err = errors.Join(err, db.Close())
	}
	return err
}

// call sends one transaction once. It is the same for everybody, and conflicts with
// nobody's.
func (c *crowd) call(ctx context.Context, caller int) error {
	n := c.next.Add(1)
	_, err := c.clients[caller%len(c.clients)].Backend().Commit(ctx, &mainstem.Transaction{
		Group: "group-" + strconv.Itoa(caller%1000), ID: mainstem.ID{Opaque: c.run + strconv.FormatUint(n, 36)}, Attempt: 1,
		Operations: []mainstem.Operation{mainstem.Put{Name: "key-" + strconv.Itoa(int(n%64)), Value: mainstem.Bytes(c.value)}},
	})
	return err
}

// closed is what the server can do.
func (c *crowd) closed(ctx context.Context, s peer.System, job *Job, d time.Duration) (Figure, error) {
	f, err := measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Closed{Clients: job.Clients, Warm: job.Warm, For: d, Opened: opened, Shut: shut}.Run(ctx, c.call)
	})
	f.Level = waiting
	return f, err
}

// quiet is how long a hundredth of the calls of a few callers take at least, and how
// many were refused.
func (c *crowd) quiet(ctx context.Context, d time.Duration) (p99 time.Duration, refused int64, err error) {
	var turnedAway atomic.Int64
	o, err := load.Closed{Clients: fewCalls, For: d}.Run(ctx, func(ctx context.Context, i int) error {
		err := c.call(ctx, i)
		if mainstem.CodeOf(err) == mainstem.Overloaded {
			turnedAway.Add(1)
			return nil
		}
		return err
	})
	return o.Latencies.Quantile(0.99), turnedAway.Load(), err
}

// open lets callers arrive who wait for nobody.
func (c *crowd) open(ctx context.Context, s peer.System, job *Job, rate float64, d time.Duration) (Figure, error) {
	served, refused := load.NewRecorder(), load.NewRecorder()
	var under, sent, others atomic.Int64
	var failed atomic.Pointer[error]
	f, err := measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		if err := opened(); err != nil {
			return load.Outcome{}, err
		}
		var callers sync.WaitGroup
		from := time.Now()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for arrived := int64(0); time.Since(from) < d && ctx.Err() == nil; {
			due := int64(time.Since(from).Seconds() * rate)
			arrived = max(arrived, due-int64(lateBy.Seconds()*rate))
			now := min(due-arrived, atOnce)
			for ; now > 0 && under.Load() < mostUnanswered; now-- {
				arrived++
				under.Add(1)
				sent.Add(1)
				caller := int(arrived)
				callers.Go(func() {
					defer under.Add(-1)
					began := time.Now()
					switch err := c.call(ctx, caller); {
					case err == nil:
						served.Record(caller, time.Since(began))
					case mainstem.CodeOf(err) == mainstem.Overloaded:
						refused.Record(caller, time.Since(began))
					default:
						others.Add(1)
						failed.Store(&err)
					}
				})
			}
			if arrived < due {
				runtime.Gosched()
			} else {
				<-tick.C
			}
		}
		inWindow := served.Latencies().Count()
		elapsed := time.Since(from)
		callers.Wait()
		return load.Outcome{Ops: inWindow, Elapsed: elapsed, Latencies: served.Latencies()}, shut()
	})
	if n := others.Load(); err == nil && n > 0 {
		err = fmt.Errorf("%d calls ended otherwise, one with: %w", n, *failed.Load())
	}
	l := refused.Latencies()
	f.OfferedPerS, f.RefusedPerS = round(float64(sent.Load())/f.Elapsed.Seconds()), round(float64(l.Count())/f.Elapsed.Seconds())
	if l.Count() > 0 {
		f.RefusedP99, f.RefusedMax = micros(l, 0.99), micros(l, 1)
	}
	f.Level = arriving
	return f, err
}

// recovers is the time until a second of a few callers is as it was before, nil if
// that takes more than mostRecovery.
func (c *crowd) recovers(ctx context.Context, before time.Duration, ended time.Time) (*float64, error) {
	for ctx.Err() == nil && time.Since(ended) < mostRecovery {
		now, refused, err := c.quiet(ctx, time.Second)
		if err != nil {
			return nil, err
		}
		if refused == 0 && now <= 2*before {
			seconds := round(time.Since(ended).Seconds())
			return &seconds, nil
		}
	}
	return nil, context.Cause(ctx)
}

// notNormal is said of a server that is not as before in that time.
const (
	mostRecovery = time.Minute
	notNormal    = "not normal a minute after"
)
