package access

import (
	"context"
	"time"

	"github.com/mainstemdb/mainstem"
)

// guard is a Backend before another. Each call asks the policy anew.
type guard struct {
	backend mainstem.Backend
	who     Client
}

// Guard is b as a client may use it. It costs a few comparisons per name.
//
// Commit needs Write on the name of every operation and on a caller's own ID, and
// Read on what every condition is about, a range as a whole. It makes the client
// the actor of the transaction; one that names another is Denied. Who may commit
// under an ID may have its receipt, reply included: the same ID is the same
// request, so callers' IDs are names that a rule's prefixes cover like keys.
//
// A view needs Read or Write on something in its group; with an ID, Read or
// Write on that. Each question needs Read on what it asks about: a range
// that is only partly readable is Denied, never shortened. QueryGroups names all
// groups, so it needs Read on all, as in the groups "*" and "~*".
//
// A feed needs Feed on something that its filter lets through. It shows
// what the client has Feed on, and passes over the rest; of a transaction with
// some of each it shows those effects, without ID and reply. Positions and tokens
// go on over what is not shown, so that others are at work is no secret. It is read in the
// name of a follower only where the client has Read and Write on what is kept of that
// follower, which its cursor needs too; else it is a feed without a name.
//
// What a limit of the client stops is Overloaded, or TooLarge, at once. Close does
// nothing: b is everybody's.
func Guard(b mainstem.Backend, who Client) mainstem.Backend { return guard{b, who} }

// Guarded is Guard for the client of a request's context; Denied if there is none.
func Guarded(ctx context.Context, b mainstem.Backend) (mainstem.Backend, error) {
	who, ok := ClientFrom(ctx)
	if !ok {
		return nil, errNobody
	}
	return Guard(b, who), nil
}

// enter counts a request of the client.
func (g guard) enter(ctx context.Context, group string) (*client, error) {
	now, err := g.who.now(ctx)
	if err != nil {
		return nil, err
	}
	if why, err := now.request(time.Since(g.who.gate.began)); err != nil {
		return nil, g.who.no(ctx, group, why, err)
	}
	return now, nil
}

// Commit checks the transaction and passes it on in the client's name.
func (g guard) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	now, err := g.enter(ctx, t.Group)
	if err != nil {
		return nil, err
	}
	if why, err := now.run(); err != nil {
		return nil, g.who.no(ctx, t.Group, why, err)
	}
	defer now.usage.running.Add(-1)
	if most := now.limits.Bytes; most > 0 {
		if size := t.Size(); size > most {
			return nil, g.who.no(ctx, t.Group, TooLong, mainstem.Errorf(mainstem.TooLarge,
				"transaction of %d bytes; the limit of client %s is %d", size, short(now.name), most))
		}
	}
	if right, condition := now.in(t.Group).lacks(t); right != 0 {
		return nil, g.who.denied(ctx, now, t.Group, right, condition)
	}
	if a := t.Meta.Actor; a != "" && a != now.name {
		e := mainstem.Errorf(mainstem.Denied, "the transaction names the actor %s, and client %s has sent it", short(a), short(now.name))
		e.Advice = "leave the actor empty: here it is the client"
		return nil, g.who.no(ctx, t.Group, OtherActor, e)
	}
	signed := *t // the caller may send t again, elsewhere
	signed.Meta.Actor = now.name
	return g.backend.Commit(ctx, &signed)
}

// Close does nothing.
func (g guard) Close() error { return nil }
