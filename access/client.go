package access

import (
	"context"
	"math/bits"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Client is who sends a request, as a Gate has found out. The zero Client is nobody,
// and may do nothing. What it may do is what the policy says now, not when it
// was found: a client that was removed, or whose token has expired, is
// refused from its next request on, on connections and streams that are open too.
type Client struct {
	gate    *Gate
	as      *credential
	in      *policy   // of as
	expires time.Time // of the certificate; zero for a token
}

// Name is the client's name in the policy; empty for nobody.
func (c Client) Name() string {
	if c.as == nil {
		return ""
	}
	return c.as.of.name
}

// Admin reports that the client has the right Admin: nil, or Denied. It is for what
// a server offers beside the database.
func (c Client) Admin(ctx context.Context) error {
	now, err := c.now(ctx)
	if err != nil {
		return err
	}
	if !now.anywhere(Admin) {
		return c.denied(ctx, now, "", Admin, 0)
	}
	return nil
}

// now is the client as the policy in force has it.
func (c Client) now(ctx context.Context) (*client, error) {
	if c.gate == nil {
		return nil, errNobody
	}
	as, moment := c.as, time.Now()
	if p := c.gate.policy.Load(); p != c.in {
		as = p.byID[c.as.id]
	}
	if as != nil && as.of.name == c.as.of.name && !as.expired(moment) && (c.expires.IsZero() || moment.Before(c.expires)) {
		return as.of, nil
	}
	c.gate.refused(ctx, &c.as.of.usage.audit, Refusal{Client: c.as.of.name, Code: mainstem.Denied, Reason: Gone})
	return nil, errNobody
}

// errNobody is the one answer to whoever is not known, or is no longer.
var errNobody = &mainstem.Error{
	Code: mainstem.Denied, Message: "no token or certificate that this server knows",
	Advice: "send the header Authorization: Bearer TOKEN with a token that has not expired, or a client certificate",
}

// no refuses a request and tells the log.
func (c Client) no(ctx context.Context, group string, why Reason, err error) error {
	c.gate.refused(ctx, &c.as.of.usage.audit, Refusal{Client: c.Name(), Group: group, Code: mainstem.CodeOf(err), Reason: why})
	return err
}

// denied refuses for want of a right. It does not repeat the name that was asked
// for, nor say which rules there are; condition is the number, from 1, of the
// condition or operation.
func (c Client) denied(ctx context.Context, now *client, group string, rights Right, condition int) error {
	c.gate.refused(ctx, &now.usage.audit, Refusal{
		Client: now.name, Right: rights, Group: group, Code: mainstem.Denied, Reason: NoRight,
	})
	where := "the whole database"
	if group != "" {
		where = "group " + short(group)
	}
	e := mainstem.Errorf(mainstem.Denied, "client %s may not %s this in %s", short(now.name), rights, where)
	e.Condition = condition
	e.Advice = "ask for the right: a rule of the policy with " + rights.String()
	return e
}

// scope is what a client may do in one group: a set of its rules.
type scope struct {
	of    *client
	group string
	rules uint64
}

// in is the scope of a group.
func (c *client) in(group string) scope {
	s := scope{of: c, group: group}
	for i := range c.may {
		if c.may[i].in(group) {
			s.rules |= 1 << i
		}
	}
	return s
}

// some reports whether a rule with one of the rights fits.
func (s scope) some(rights Right, fits func(*allowance) bool) bool {
	for left := s.rules; left != 0; left &= left - 1 {
		a := &s.of.may[bits.TrailingZeros64(left)]
		if a.rights&rights != 0 && fits(a) {
			return true
		}
	}
	return false
}

// any: the rights to something in the group.
func (s scope) any(rights Right) bool { return s.some(rights, func(*allowance) bool { return true }) }

// all: the rights to every name in the group.
func (s scope) all(rights Right) bool {
	return s.some(rights, func(a *allowance) bool { return len(a.names) == 0 })
}

// name: the rights to one name. One rule must hold it.
func (s scope) name(rights Right, name string) bool {
	return s.some(rights, func(a *allowance) bool { return a.name(name) })
}

// span: the rights to all names in [from, to); an empty to has no end. One prefix
// of one rule must hold them all.
func (s scope) span(rights Right, from, to string) bool {
	return s.some(rights, func(a *allowance) bool { return a.span(from, to) })
}

// id: the rights to an ID. A caller's own ID is a name like any other. A
// library-made one is 128 random bits that only its maker was told, so any name
// in the group will do.
func (s scope) id(rights Right, id mainstem.ID) bool {
	if id.Opaque == "" {
		return s.any(rights)
	}
	return s.name(rights, id.Opaque)
}

// everywhere: the rights to every name of every group, Mainstem's own included.
func (c *client) everywhere(rights Right) bool {
	var groups, own bool
	for i := range c.may {
		a := &c.may[i]
		if a.rights&rights == 0 || len(a.names) > 0 {
			continue
		}
		for _, p := range a.groups {
			groups = groups || p == pattern{"", true}
			own = own || p == pattern{"~", true}
		}
	}
	return groups && own
}

// anywhere: the rights to something somewhere.
func (c *client) anywhere(rights Right) bool {
	return scope{of: c, rules: 1<<len(c.may) - 1}.any(rights)
}

type contextKey struct{}

// WithClient is ctx with a client, as Middleware makes it.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// ClientFrom is the client of a request, and whether there is one.
func ClientFrom(ctx context.Context) (Client, bool) {
	c, ok := ctx.Value(contextKey{}).(Client)
	return c, ok && c.gate != nil
}
