package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// fillClients write the log that others then read.
const fillClients = 512

// filled opens Mainstem with a log of at least job.Fill transactions.
func filled(ctx context.Context, job *Job) (*peer.Mainstem, error) {
	s, err := peer.OpenMainstem(ctx, peer.Config{Dir: job.Dir, Memory: job.Memory})
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, s, job); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func fill(ctx context.Context, s *peer.Mainstem, job *Job) error {
	there, err := position(ctx, s)
	if err != nil {
		return err
	}
	own := *job
	own.Clients, own.Kinds, own.Keys = fillClients, []peer.Kind{peer.CAS}, 10_000
	w, err := newWorkload(ctx, s, &own)
	if err != nil {
		return err
	}
	var n atomic.Int64
	n.Store(int64(there))
	full := errors.New("enough")
	_, err = load.Closed{Clients: own.Clients, For: time.Hour}.Run(ctx, func(ctx context.Context, i int) error {
		if n.Add(1) > int64(job.Fill) {
			return full
		}
		return w.call(context.WithoutCancel(ctx), i) // the others' last calls are not cut short
	})
	if errors.Is(err, full) {
		return nil
	}
	return err
}

// position is how many transactions there are.
func position(ctx context.Context, s *peer.Mainstem) (mainstem.Position, error) {
	v, err := s.DB.Group("bench").View(ctx, mainstem.Latest())
	if err != nil {
		return 0, err
	}
	defer v.Close()
	return v.Stamp().Position, nil
}

// feed counts how many changes one reader gets per second, from the oldest to
// the newest, again and again.
func feed(ctx context.Context, job *Job) (figures []Figure, err error) {
	return drained(ctx, job, func(_ context.Context, s *peer.Mainstem) (pass, error) {
		return func(ctx context.Context, _ int) (n int64, err error) { return changes(ctx, s, mainstem.Match{}) }, nil
	})
}

// follow counts how many changes per second a follower handles that keeps its
// place durably, from the oldest to the newest, each time under another name.
func follow(ctx context.Context, job *Job) (figures []Figure, err error) {
	users := mainstem.Match{GroupPrefix: "group-"}
	return drained(ctx, job, func(ctx context.Context, s *peer.Mainstem) (pass, error) {
		all, err := changes(ctx, s, users)
		return func(ctx context.Context, i int) (int64, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			var n atomic.Int64
			seen := errors.New("all of them are handled")
			err := s.DB.Follow(ctx, fmt.Sprintf("bench-%d-%d", job.Serial, i), users,
				func(_ context.Context, _ *mainstem.Txn, batch []mainstem.Change) error {
					if n.Add(int64(len(batch))) >= all {
						cancel(seen)
					}
					return nil
				})
			if errors.Is(err, seen) {
				err = nil
			}
			return n.Load(), err
		}, err
	})
}

// changes counts those that a reader is to see.
func changes(ctx context.Context, s *peer.Mainstem, match mainstem.Match) (n int64, err error) {
	for batch, err := range s.Asked.Changes(ctx, mainstem.From{Drain: true, Match: match}) {
		if err != nil {
			return n, err
		}
		n += int64(len(batch.Changes))
	}
	return n, nil
}

// pass reads the log once, for the i-th time, and says how many changes there were.
type pass func(ctx context.Context, i int) (int64, error)

// drained repeats a pass over the log until the time is over. The last pass is
// finished, and its time counts.
func drained(ctx context.Context, job *Job, prepare func(context.Context, *peer.Mainstem) (pass, error)) (figures []Figure, err error) {
	m, err := filled(ctx, job)
	if err != nil {
		return nil, err
	}
	var s peer.System = m
	if job.Peer == "mainstem-server" {
		if s, err = peer.NewServed(m); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	once, err := prepare(ctx, m)
	if err != nil {
		return nil, err
	}
	f, err := measured(s, job, func(opened, shut func() error) (o load.Outcome, err error) {
		if err := opened(); err != nil {
			return o, err
		}
		for i := 0; o.Elapsed < job.For; i++ {
			from := time.Now()
			n, err := once(ctx, i)
			if err != nil {
				return o, err
			}
			o.Ops, o.Elapsed = o.Ops+n, o.Elapsed+time.Since(from)
		}
		return o, shut()
	})
	f.Settings["changes_in_the_log"] = fmt.Sprint(job.Fill)
	return []Figure{f}, err
}
