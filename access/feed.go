package access

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// progressEvery is after how many changes that were not shown a batch without
// changes carries the token on, so that a reader of little does not find its place
// trimmed when it comes back.
const progressEvery = 4096

// Changes yields what the client may see of the feed.
func (g guard) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		if err := g.feed(ctx, from, yield); err != nil {
			yield(mainstem.Batch{}, err)
		}
	}
}

func (g guard) feed(ctx context.Context, from mainstem.From, yield func(mainstem.Batch, error) bool) error {
	group := from.Match.GroupPrefix
	if len(from.Match.Groups) > 0 {
		group = from.Match.Groups[0]
	}
	now, err := g.enter(ctx, group)
	if err != nil {
		return err
	}
	if denied, ok := now.follows(from.Match); !ok {
		return g.who.denied(ctx, now, denied, Feed, 0)
	}
	if why, err := now.follow(); err != nil {
		return g.who.no(ctx, group, why, err)
	}
	defer now.usage.feeds.Add(-1)
	if name := mainstem.FollowerOf(ctx); name != "" && !now.keeps(name, group) {
		ctx = mainstem.WithFollower(ctx, "") // what is told of feeds is told by the names of followers
	}
	passed := 0
	for batch, err := range g.backend.Changes(ctx, from) {
		if err != nil {
			return err
		}
		// A feed lasts for long: what may be shown is what the policy says now.
		if now, err = g.who.now(ctx); err != nil {
			return err
		}
		before := len(batch.Changes)
		batch.Changes = now.visible(batch.Changes, from.Match)
		passed += before - len(batch.Changes)
		if before > 0 && len(batch.Changes) == 0 && passed < progressEvery {
			continue
		}
		passed = 0
		if !yield(batch, nil) {
			return nil
		}
	}
	return nil
}

// keeps reports whether the client may keep the place of a follower of that name, for what
// it follows of a group.
func (c *client) keeps(follower, group string) bool {
	s := c.in(mainstem.FollowGroup(follower, group))
	return s.name(Write, "~cursor") && s.name(Read, "~cursor")
}

// follows reports whether the client may see anything that the filter lets
// through, and if not, in which group. Each group that is named must have
// something; a prefix of groups or names must meet some rule.
func (c *client) follows(m mainstem.Match) (group string, ok bool) {
	fits := func(a *allowance) bool {
		return len(a.names) == 0 || m.NamePrefix == "" || slices.ContainsFunc(a.names, func(s span) bool {
			return strings.HasPrefix(s.from, m.NamePrefix) || strings.HasPrefix(m.NamePrefix, s.from)
		})
	}
	for _, group := range m.Groups {
		if !c.in(group).some(Feed, fits) {
			return group, false
		}
	}
	s := scope{of: c}
	for i := range c.may {
		if slices.ContainsFunc(c.may[i].groups, func(p pattern) bool { return p.meets(m.GroupPrefix) }) {
			s.rules |= 1 << i
		}
	}
	return m.GroupPrefix, s.some(Feed, fits)
}

// visible is what a client may see of changes. They are shared with other readers
// and not written to.
func (c *client) visible(all []mainstem.Change, m mainstem.Match) []mainstem.Change {
	var shown []mainstem.Change
	for i := range all {
		one, ok := c.sees(&all[i], m)
		same := ok && len(one.Effects) == len(all[i].Effects) && one.ID == all[i].ID
		if same && shown == nil {
			continue // the batch as it is, so far
		}
		if shown == nil {
			shown = append(make([]mainstem.Change, 0, len(all)), all[:i]...)
		}
		if ok {
			shown = append(shown, one)
		}
	}
	if shown == nil {
		return all
	}
	return shown
}

// sees is a change as the client may see it. The filter must match what is left:
// else it would answer questions about the rest.
func (c *client) sees(change *mainstem.Change, m mainstem.Match) (mainstem.Change, bool) {
	s := c.in(change.Group)
	if s.all(Feed) {
		return *change, true
	}
	one := *change
	one.Effects = s.effects(change.Effects)
	whole := len(one.Effects) == len(change.Effects) && change.ID.Opaque != "" && s.name(Feed, change.ID.Opaque)
	if !whole {
		one.ID, one.Reply = mainstem.ID{}, nil
	}
	if len(one.Effects) == 0 && !whole {
		return one, false
	}
	return one, m.Matches(&one)
}

// effects are those that may be seen.
func (s scope) effects(all []mainstem.Effect) []mainstem.Effect {
	hidden := func(e mainstem.Effect) bool { return !s.name(Feed, e.Name) }
	if !slices.ContainsFunc(all, hidden) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), hidden)
}
