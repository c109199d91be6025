package mainstem

import (
	"context"
	"slices"
	"time"
)

const memberPrefix = "member/"

// share says that this instance lives, and which shards are its own: those
// that fall to its rank among the living. Two instances can disagree for a
// moment; leases decide (L7).
func (f *follower) share(ctx context.Context) ([]int, error) {
	g := f.db.ownGroup(followerGroup(f.name))
	r, err := g.Do(ctx, "", func(tx *Txn) error {
		tx.PutFor(memberPrefix+f.instance, nil, f.settings.ttl)
		return nil
	})
	if err != nil {
		return nil, err
	}
	v, err := g.View(ctx, AtLeast(r.Token))
	if err != nil {
		return nil, err
	}
	defer v.Close()
	members, me := 0, 0
	from, to := Prefix(memberPrefix)
	for m, err := range v.Scan(ctx, from, to) {
		if err != nil {
			return nil, err
		}
		if m.Name == memberPrefix+f.instance {
			me = members
		}
		members++
	}
	var own []int
	for i, shard := range f.shards {
		if i%max(members, 1) == me {
			own = append(own, shard)
		}
	}
	return own, nil
}

// adjust starts the shards of the share that do not run here, lets go of those
// that are no longer in it, and says when to look again.
func (f *follower) adjust(ctx context.Context, share []int) time.Duration {
	for i, s := range f.running {
		if !slices.Contains(share, i) {
			s.letGo()
		}
	}
	next := f.settings.ttl / 3
	for _, i := range share {
		if s := f.running[i]; s != nil && s.working.Load() {
			continue
		}
		next = f.settings.ttl / 12 // somebody else still has it
		if f.running[i] == nil {
			f.start(ctx, i)
		}
	}
	return next
}

func (f *follower) start(ctx context.Context, i int) {
	match, _ := shardMatch(f.match, i)
	feed, letGo := context.WithCancel(ctx)
	s := &shard{
		of: f, group: f.db.ownGroup(shardGroup(f.name, i)), match: match, number: i,
		feed: feed, letGo: letGo,
	}
	f.running[i] = s
	go func() {
		defer letGo()
		f.ended <- shardEnd{shard: i, err: s.run(ctx)}
	}()
}

// leave takes this instance off the list, so that others need not wait for its
// TTL. It is a courtesy: if it fails, they wait.
func (f *follower) leave(ctx context.Context) {
	ctx, cancel := f.parting(ctx)
	defer cancel()
	_, _ = f.db.ownGroup(followerGroup(f.name)).Do(ctx, "", func(tx *Txn) error {
		tx.Delete(memberPrefix + f.instance)
		return nil
	})
}

// parting is a context for what is done after ctx has ended, but not for long.
func (f *follower) parting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), min(f.settings.ttl, 2*time.Second))
}

// shardMatch narrows a filter to a shard's slots; false if nothing is left.
func shardMatch(m Match, shard int) (Match, bool) {
	first, end := m.FirstSlot, m.EndSlot
	if end == 0 {
		end = Slots
	}
	m.FirstSlot = max(first, uint16(shard*slotsPerShard))
	m.EndSlot = min(end, uint16((shard+1)*slotsPerShard))
	return m, m.FirstSlot < m.EndSlot
}
