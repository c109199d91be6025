package mainstem

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"time"
)

// The size of one step of a rewind: small enough that writers elsewhere in the
// group hardly wait for it.
const (
	rewindKeys  = 500
	rewindBytes = 256 << 10
	rewindReads = 20 * rewindKeys // keys compared, of which most may be as they were
)

// Rewound says what a rewind did.
type Rewound struct {
	// Steps is the number of transactions, and Keys that of the keys they
	// wrote or deleted.
	Steps, Keys int
	// Overtaken is how many of those keys somebody had written after the
	// rewind began: such a write is in the history, and no longer in the state.
	Overtaken int
	// Token has seen the whole rewind.
	Token Token
}

// Rewind writes the keys of the group that begin with prefix back to what they
// were just after position to. Leases, IDs, cursors and streams stay as they
// are. Nothing is lost: the old values are written anew, history keeps what
// they replace, and a rewind can be rewound.
//
// It is a series of transactions, each of at most 500 keys and 256 KiB, whose
// IDs are made of id and a number. Interrupted, and called again with the same
// arguments while IDs are kept, it goes on where it was and ends in the same
// state; a call after the end changes nothing. The same id with another prefix
// or position is IDReused.
//
// Each step is atomic: at its position the part of the range that it covers is
// exactly as it was at to. A write by somebody else that commits before the
// step is taken back with the rest, and counted as Overtaken; one that commits
// after it stays. Where writers are so busy that a step cannot commit,
// Rewind ends as Conflict: call it again, or pause them.
//
// A key that had a TTL gets what is left of it now; one whose TTL is over is
// not brought back. Where history no longer reaches to the position, Rewind is
// Trimmed.
func (g Group) Rewind(ctx context.Context, id, prefix string, to Position) (Rewound, error) {
	if id == "" {
		return Rewound{}, Errorf(Invalid, "a rewind needs an ID, under which it can be resumed")
	}
	past := &past{group: g, to: to}
	defer past.close()
	fingerprint := sha256.Sum256(fmt.Appendf(nil, "rewind %q to %s", prefix, to))
	from, end := Prefix(prefix)
	var done Rewound
	step := rewindStep{Next: from}
	for !step.Done {
		begin := step
		next, receipt, err := Call(ctx, g, fmt.Sprintf("%s/rewind/%d", id, done.Steps+1), func(tx *Txn) (rewindStep, error) {
			return begin.run(ctx, tx, past, end)
		}, Fingerprint(fingerprint[:]))
		if err != nil {
			return done, err
		}
		step = next
		done.Steps++
		done.Keys += step.Keys
		done.Overtaken += step.Overtaken
		done.Token = done.Token.Merge(receipt.Token)
	}
	return done, nil
}

// past is the group as it was, opened by the first step that runs: a rewind
// that has ended is confirmed also when history no longer reaches back.
type past struct {
	group Group
	to    Position
	view  *View
}

func (p *past) open(ctx context.Context) (v *View, err error) {
	if p.view == nil {
		p.view, err = p.group.View(ctx, AsOf(p.to))
	}
	return p.view, err
}

func (p *past) close() {
	if p.view != nil {
		_ = p.view.Close() // nothing hangs on it
	}
}

// rewindStep is the reply of a step: what it did, and where the next begins.
type rewindStep struct {
	Next string `json:"next,omitempty"`
	Done bool   `json:"done,omitempty"`
	// Began is the position that the first step was decided on.
	Began     Position `json:"began"`
	Keys      int      `json:"keys"`
	Overtaken int      `json:"overtaken"`
}

// run is the step that follows s: it merges the keys as they are with those as
// they were, both in order. Scanning through tx makes the whole part read a
// condition, keys that are not there included.
func (s rewindStep) run(ctx context.Context, tx *Txn, past *past, end string) (rewindStep, error) {
	next := rewindStep{Began: s.Began}
	old, err := past.open(ctx)
	if err != nil {
		return next, err
	}
	snapshot, err := tx.view(ctx)
	if err != nil {
		return next, err
	}
	now := snapshot.Stamp()
	if next.Began == 0 {
		next.Began = now.Position
	}
	isNext, stop := iter.Pull2(tx.Scan(ctx, s.Next, end))
	defer stop()
	wasNext, stop := iter.Pull2(old.Scan(ctx, s.Next, end))
	defer stop()
	is, was := pull(isNext), pull(wasNext)
	for size, reads := 0, 0; is.ok || was.ok; reads++ {
		if err := first(is.err, was.err); err != nil {
			return next, err
		}
		name := lower(is, was)
		var a, b Version
		if is.ok && is.Name == name {
			a, is = is.Version, pull(isNext)
		}
		if was.ok && was.Name == name {
			b, was = was.Version, pull(wasNext)
		}
		change := rewindKey(name, a, b, now.Age)
		if change != nil {
			size += len(name) + len(b.Value.Bytes)
		}
		if reads > 0 && (next.Keys == rewindKeys || reads == rewindReads || size > rewindBytes) {
			next.Next = name
			return next, nil
		}
		if change == nil {
			continue
		}
		tx.Operate(change)
		next.Keys++
		if a.Exists && a.Position > next.Began {
			next.Overtaken++
		}
	}
	next.Done = true
	return next, nil
}

// rewindKey is the operation that makes a key what it was, or nil.
func rewindKey(name string, is, was Version, now LogAge) Operation {
	var left time.Duration
	if was.Until != 0 {
		left = was.Until.Sub(now)
		was.Exists = was.Exists && left > 0
	}
	switch {
	case !was.Exists && !is.Exists:
		return nil
	case !was.Exists:
		return Delete{Name: name}
	case is.Exists && is.Value.Equal(was.Value) && is.Until == was.Until:
		return nil
	default:
		return Put{Name: name, Value: was.Value, TTL: left}
	}
}

// pulled is a version, an error, or the end.
type pulled struct {
	Version
	err error
	ok  bool
}

func pull(next func() (Version, error, bool)) pulled {
	v, err, ok := next()
	return pulled{Version: v, err: err, ok: ok}
}

func lower(a, b pulled) string {
	if !b.ok || a.ok && a.Name < b.Name {
		return a.Name
	}
	return b.Name
}
