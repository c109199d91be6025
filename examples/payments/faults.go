package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
)

// fault is something that happens during a run.
type fault struct {
	kind string
	at   time.Duration // since the run began; later if the fault before it takes longer
	pod  string        // which one, where it is one of a pod's
	long time.Duration // how long it lasts
}

// The kinds of faults.
const (
	killPod   = "kill -9"
	pausePod  = "SIGSTOP"
	lag       = "lag"
	restart   = "restart"
	crash     = "crash"
	failover  = "failover"
	pauseTime = 3 * time.Second // twice as long as every lease
)

// schedule draws the faults of a run from its seed: when, in which order, to whom.
func schedule(seed uint64, kinds []string, length time.Duration) []fault {
	rng := rand.New(rand.NewPCG(seed, 0))
	faults := make([]fault, len(kinds))
	slot := length / time.Duration(len(kinds)+1)
	for i, n := range rng.Perm(len(kinds)) {
		f := &faults[i]
		f.kind, f.at = kinds[n], slot/2+slot*time.Duration(i)+pace.UpTo(rng, slot/2)
		f.pod = podNames[rng.IntN(len(podNames))]
		switch f.kind {
		case killPod:
			f.long = 200*time.Millisecond + pace.UpTo(rng, 800*time.Millisecond)
		case pausePod:
			f.long = pauseTime
		case lag, failover:
			f.long = 2*time.Second + pace.UpTo(rng, time.Second)
		}
	}
	return faults
}

// suffer has a run go through one fault, until it is over.
func (r *run) suffer(ctx context.Context, f fault) error {
	switch f.kind {
	case killPod:
		r.say("kill -9 of %s", f.pod)
		if err := r.pods.kill(f.pod); err != nil {
			return err
		}
		if err := pace.Pause(ctx, f.long); err != nil {
			return err
		}
		if err := r.pods.start(ctx, f.pod); err != nil {
			return err
		}
		r.say("%s is back", f.pod)
		return nil
	case pausePod:
		return r.pauseSettler(ctx, f)
	case lag:
		r.say("the replica stops replaying for %.1f s", f.long.Seconds())
		return r.cluster.lag(ctx, f.long)
	case restart, crash:
		r.say("PostgreSQL: %s of the primary", f.kind)
		if err := r.cluster.restart(ctx, f.kind == crash); err != nil {
			return err
		}
		r.say("PostgreSQL is back")
		return nil
	case failover:
		r.say("primary and standby are parted for %.1f s; then the primary dies", f.long.Seconds())
		if err := r.cluster.failover(ctx, f.long); err != nil {
			return err
		}
		r.say("the standby is the primary")
		return nil
	}
	return fmt.Errorf("there is no fault %q", f.kind)
}

// pauseSettler stops the pod that is settling, in the midst of it: when it has
// read what there is to settle, and waits for the provider's rate.
func (r *run) pauseSettler(ctx context.Context, f fault) error {
	pod := f.pod
	select {
	case pod = <-r.provider.RateAsked():
	case <-time.After(pauseTime): // then nobody settles, and it is the one that was drawn
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.say("SIGSTOP of %s for %.1f s, while it settles", pod, f.long.Seconds())
	if err := r.pods.signal(pod, syscall.SIGSTOP); err != nil {
		return err
	}
	if err := pace.Pause(ctx, f.long); err != nil {
		return err
	}
	r.say("SIGCONT of %s", pod)
	return r.pods.signal(pod, syscall.SIGCONT)
}
