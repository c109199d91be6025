package state

import (
	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
)

func readLease(rows Rows, group, name string) (mainstem.Lease, error) {
	value, ok, err := rows.Get(nameKey(kindLease, group, name))
	if err != nil || !ok {
		return mainstem.Lease{}, err
	}
	r := reader{b: value}
	l := mainstem.Lease{Owner: r.string(), Token: mainstem.FencingToken(r.uint()), Until: mainstem.LogAge(r.uint()), Released: r.flag()}
	return l, r.end("lease " + name)
}

func (j *judgement) lease(name string) (mainstem.Lease, error) {
	if l, ok := j.leases[name]; ok {
		return l, nil
	}
	return readLease(j.step.rows, j.t.Group, name)
}

func (j *judgement) setLease(name string, l mainstem.Lease) {
	if !j.more {
		return
	}
	if j.leases == nil {
		j.leases = make(map[string]mainstem.Lease)
	}
	j.leases[name] = l
}

// holds reports as Fenced unless token is the newest grant and not released.
// A token stays good past its expiry: expiry only lets somebody else in (L7).
func (j *judgement) holds(name string, token mainstem.FencingToken) (mainstem.Lease, error) {
	l, err := j.lease(name)
	switch {
	case err != nil:
	case breaklaw.On("L7"):
	case l.Token != token || token == 0:
		err = mainstem.Errorf(mainstem.Fenced, "lease %s in group %s: token %d is not its newest grant, %d (L7)", name, j.t.Group, token, l.Token)
	case l.Released:
		err = mainstem.Errorf(mainstem.Fenced, "lease %s in group %s: token %d was released (L7)", name, j.t.Group, token)
	}
	return l, err
}

func (j *judgement) acquire(o mainstem.Acquire) (mainstem.Effect, error) {
	l, err := j.lease(o.Lease)
	if err != nil {
		return mainstem.Effect{}, err
	}
	if l.Token > 0 && !l.Released && j.step.now < l.Until {
		return mainstem.Effect{}, mainstem.Errorf(mainstem.Held, "lease %s in group %s is held by %s until log age %s (now %s)",
			o.Lease, j.t.Group, l.Owner, l.Until, j.step.now)
	}
	token := max(mainstem.FencingToken(j.position()), l.Token+1)
	l = mainstem.Lease{Owner: o.Owner, Token: token, Until: j.step.now.Add(o.TTL)}
	j.setLease(o.Lease, l)
	return mainstem.Effect{Kind: mainstem.EffectGrant, Name: o.Lease, Token: l.Token, Owner: l.Owner, Until: l.Until}, nil
}

func (j *judgement) renew(o mainstem.Renew) (mainstem.Effect, error) {
	l, err := j.holds(o.Lease, o.Token)
	if err != nil {
		return mainstem.Effect{}, err
	}
	l.Until = max(l.Until, j.step.now.Add(o.TTL))
	j.setLease(o.Lease, l)
	return mainstem.Effect{Kind: mainstem.EffectRenew, Name: o.Lease, Token: l.Token, Owner: l.Owner, Until: l.Until}, nil
}

func (j *judgement) release(o mainstem.Release) (mainstem.Effect, error) {
	l, err := j.holds(o.Lease, o.Token)
	if err != nil {
		return mainstem.Effect{}, err
	}
	l.Released = true
	j.setLease(o.Lease, l)
	return mainstem.Effect{Kind: mainstem.EffectRelease, Name: o.Lease, Token: l.Token, Owner: l.Owner, Until: l.Until}, nil
}

// present keeps the highest token seen of a lease that lives elsewhere.
func (j *judgement) present(o mainstem.Present) (mainstem.Effect, error) {
	seen, ok := j.presented[o.Lease]
	if !ok {
		value, found, err := j.step.rows.Get(nameKey(kindPresented, j.t.Group, o.Lease))
		if err != nil {
			return mainstem.Effect{}, err
		}
		if found {
			r := reader{b: value}
			seen = mainstem.FencingToken(r.uint())
			if err := r.end("presented lease " + o.Lease); err != nil {
				return mainstem.Effect{}, err
			}
		}
	}
	if o.Token < seen && !breaklaw.On("L7") {
		return mainstem.Effect{}, mainstem.Errorf(mainstem.Fenced, "lease %s: group %s has seen token %d, this one is %d (L7)", o.Lease, j.t.Group, seen, o.Token)
	}
	if j.presented == nil {
		j.presented = make(map[string]mainstem.FencingToken)
	}
	j.presented[o.Lease] = o.Token
	return mainstem.Effect{Kind: mainstem.EffectPresent, Name: o.Lease, Token: o.Token}, nil
}

func (s *Step) admitLease(group string, e *mainstem.Effect) {
	var w writer
	w.string(e.Owner)
	w.uint(uint64(e.Token))
	w.uint(uint64(e.Until))
	w.flag(e.Kind == mainstem.EffectRelease)
	s.put(Write{Key: nameKey(kindLease, group, e.Name), Value: w.b})
}

func (s *Step) admitPresent(group string, e *mainstem.Effect) {
	var w writer
	w.uint(uint64(e.Token))
	s.put(Write{Key: nameKey(kindPresented, group, e.Name), Value: w.b})
}
