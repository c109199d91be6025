package access

import (
	"context"
	"sync"

	"github.com/mainstemdb/mainstem"
)

// View opens a view in which every question is checked.
func (g guard) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	now, err := g.enter(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	if !now.opens(r) {
		return nil, g.who.denied(ctx, now, r.Group, Read|Write, 0)
	}
	if why, err := now.run(); err != nil {
		return nil, g.who.no(ctx, r.Group, why, err)
	}
	s, err := g.backend.View(ctx, r)
	if err != nil {
		now.usage.running.Add(-1)
		return nil, err
	}
	return &view{Snapshot: s, guard: g, leave: sync.OnceFunc(func() { now.usage.running.Add(-1) })}, nil
}

// opens reports whether a view may be opened, and the receipt of its ID be seen.
func (c *client) opens(r mainstem.ViewRequest) bool {
	if r.Group == "" {
		return c.anywhere(Read|Write) && r.ID.IsZero()
	}
	return c.in(r.Group).id(Read|Write, r.ID)
}

// view is an open view. It holds a place until it is closed.
type view struct {
	mainstem.Snapshot
	guard guard
	leave func()
}

// Read answers a question that the client may ask.
func (v *view) Read(ctx context.Context, q mainstem.Query) (mainstem.Answer, error) {
	now, err := v.guard.enter(ctx, q.Group)
	if err != nil {
		return mainstem.Answer{}, err
	}
	if !now.asks(q) {
		return mainstem.Answer{}, v.guard.who.denied(ctx, now, q.Group, Read, 0)
	}
	return v.Snapshot.Read(ctx, q)
}

// asks reports whether a question may be asked. One that has no rule here is refused.
func (c *client) asks(q mainstem.Query) bool {
	switch q.Kind {
	case mainstem.QueryGet, mainstem.QueryEvents, mainstem.QueryLease, mainstem.QueryID, mainstem.QueryHistory:
		return c.in(q.Group).name(Read, q.Name)
	case mainstem.QueryScan, mainstem.QueryStreams:
		return c.in(q.Group).span(Read, q.Name, q.To)
	case mainstem.QueryGroups:
		return c.everywhere(Read)
	default:
		return false
	}
}

// Close releases the view and its place.
func (v *view) Close() error {
	defer v.leave()
	return v.Snapshot.Close()
}
