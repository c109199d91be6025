package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/examples/payments/internal/audit"
	"github.com/mainstemdb/mainstem/examples/payments/internal/client"
	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/provider"
)

// run is one service going through the faults.
type run struct {
	config
	build    string
	dir      string
	begun    time.Time
	cluster  *cluster
	provider *provider.Provider
	pods     *pods
	crowd    *client.Crowd
}

// How long a run waits for what is on its way when the customers are done.
const (
	patience  = 20 * time.Second // for orders that were never acknowledged
	settling  = 45 * time.Second // for effects of those that were, at most
	nothing   = 7 * time.Second  // and until so long none has come
	lateTime  = 2 * time.Second  // for duplicates, when all effects are there
	lookEvery = 250 * time.Millisecond
)

// run runs one service from its start to its audit.
func (c config) run(ctx context.Context, build, dir string) (f *figures, err error) {
	r := &run{config: c, build: build, dir: dir, begun: time.Now()}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if r.cluster, err = startCluster(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.cluster.Close()) }()
	if r.provider, err = provider.Start(ctx, dir, c.seed, podNames); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.provider.Close()) }()
	if err := r.startPods(ctx); err != nil {
		r.pods.stop()
		return nil, err
	}
	defer r.pods.stop()
	r.say("three pods, a primary with a synchronous standby, a replica")
	r.crowd = &client.Crowd{
		Dir: dir, Pods: podNames, Customers: c.customers, Seed: c.seed,
		Length: c.length, Patience: patience, Think: c.think,
	}
	if err := r.day(ctx); err != nil {
		return nil, err
	}
	return r.evening(ctx)
}

func (r *run) startPods(ctx context.Context) error {
	primary, err := r.cluster.anyPrimary()
	args := []string{"-build", r.build, "-dir", r.dir, "-primary", primary}
	for _, dsn := range r.cluster.replicas() {
		args = append(args, "-replica", dsn)
	}
	r.pods = &pods{args: args, dir: r.dir, running: map[string]*running{}}
	for _, name := range podNames {
		if err == nil {
			err = r.pods.start(ctx, name)
		}
	}
	return err
}

// day lets the customers in and the faults happen, until both are over.
func (r *run) day(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun, done := time.Now(), make(chan error, 1)
	go func() {
		err := r.crowd.Run(ctx)
		if err != nil {
			cancel(err)
		}
		done <- err
	}()
	err := func() error {
		for _, f := range schedule(r.seed, r.faults, r.length) {
			if err := pace.Pause(ctx, time.Until(begun.Add(f.at))); err != nil {
				return err
			}
			if err := r.suffer(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", f.kind, err)
			}
		}
		return nil
	}()
	if err != nil {
		cancel(err)
	}
	if e := <-done; err != nil || e != nil {
		return context.Cause(ctx) // whichever came first
	}
	return nil
}

// evening waits until every effect is there, or no more comes; then it ends the
// pods, and the audit has the last word.
func (r *run) evening(ctx context.Context) (*figures, error) {
	told := r.crowd.Told()
	r.say("%d requests in %d attempts, %d acknowledged; waiting for their effects", told.Requests, told.Attempts, len(told.Acknowledged))
	if err := r.settle(ctx); err != nil {
		return nil, err
	}
	for _, name := range podNames {
		if err := r.pods.alive(name); err != nil {
			return nil, err
		}
	}
	r.pods.stop()
	found, details, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	r.say("audited: %d double charges, %d lost events, %d duplicate effects, %d stale own reads",
		found.DoubleCharges, found.LostEvents, found.DuplicateEffects, found.StaleOwnReads)
	for _, detail := range details {
		r.say("  for example: %s", detail)
	}
	return &figures{
		Requests: told.Requests, Attempts: told.Attempts, Acknowledged: len(told.Acknowledged),
		OwnReads: told.Reads - told.Unread, OnReplica: told.Replica, Figures: found,
	}, nil
}

// settle waits until no effect is missing, or no more of them comes, and then for
// what may come late.
func (r *run) settle(ctx context.Context) error {
	missing, last, begun := -1, time.Now(), time.Now()
	for missing != 0 && time.Since(last) < nothing && time.Since(begun) < settling {
		found, _, err := r.look(ctx)
		if err != nil {
			return err
		}
		if found.LostEvents != missing {
			missing, last = found.LostEvents, time.Now()
		}
		if err := pace.Pause(ctx, lookEvery); err != nil {
			return err
		}
	}
	return pace.Pause(ctx, lateTime)
}

// look audits what is there now.
func (r *run) look(ctx context.Context) (audit.Figures, []string, error) {
	conn, err := pgx.Connect(ctx, r.cluster.primary.DSN())
	if err != nil {
		return audit.Figures{}, nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	told := r.crowd.Told()
	return audit.Look(ctx, conn, audit.Witness{Acknowledged: told.Acknowledged, Charges: r.provider.Charges(), Stale: told.Stale})
}

// say tells progress, in one line.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.out, "%-12s %5.1f s  %s\n", r.build, time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}
