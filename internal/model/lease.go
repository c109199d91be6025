package model

import "github.com/mainstemdb/mainstem"

// leaseOperation decides the four operations with fencing tokens (L7).
func (d *decision) leaseOperation(o mainstem.Operation) error {
	switch o := o.(type) {
	case mainstem.Acquire:
		l := d.lease(o.Lease)
		if l.Token != 0 && !l.Released && d.age < l.Until {
			return no(mainstem.Held, o.Lease)
		}
		token := max(mainstem.FencingToken(d.at), l.Token+1)
		d.grant(o.Lease, mainstem.Lease{Owner: o.Owner, Token: token, Until: d.age.Add(o.TTL)}, mainstem.EffectGrant)
	case mainstem.Renew:
		l := d.lease(o.Lease)
		if o.Token == 0 || l.Token != o.Token || l.Released {
			return no(mainstem.Fenced, o.Lease)
		}
		l.Until = d.age.Add(o.TTL)
		d.grant(o.Lease, l, mainstem.EffectRenew)
	case mainstem.Release:
		l := d.lease(o.Lease)
		if o.Token == 0 || l.Token != o.Token || l.Released {
			return no(mainstem.Fenced, o.Lease)
		}
		l.Released = true
		d.grant(o.Lease, l, mainstem.EffectRelease)
	case mainstem.Present:
		highest, again := d.tokens[o.Lease]
		if seen := d.group.seen[o.Lease]; !again && len(seen) > 0 {
			highest = seen[len(seen)-1]
		}
		if o.Token < highest {
			return no(mainstem.Fenced, o.Lease)
		}
		d.tokens[o.Lease] = o.Token
		d.pending = append(d.pending, func() { d.group.seen[o.Lease] = append(d.group.seen[o.Lease], o.Token) })
		d.effect(mainstem.Effect{Kind: mainstem.EffectPresent, Name: o.Lease, Token: o.Token}, mainstem.Result{})
	}
	return nil
}

func (d *decision) lease(name string) mainstem.Lease {
	if l, ok := d.leases[name]; ok {
		return l
	}
	return d.group.lease(name, d.at)
}

func (d *decision) grant(name string, l mainstem.Lease, kind mainstem.EffectKind) {
	d.leases[name] = l
	d.pending = append(d.pending, func() { d.group.leases[name] = append(d.group.leases[name], grant{at: d.at, lease: l}) })
	e, r := mainstem.Effect{Kind: kind, Name: name, Token: l.Token, Until: l.Until, Owner: l.Owner}, mainstem.Result{}
	if kind == mainstem.EffectGrant {
		r.Token = l.Token
	}
	d.effect(e, r)
}
