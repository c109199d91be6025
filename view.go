package mainstem

import (
	"context"
	"iter"
)

// Reader is what both a View and a Txn can do, so that typed reads work in
// either. Through a Txn every read becomes a condition.
type Reader interface {
	// Get reads one key; an absent one has Exists false and no error.
	Get(ctx context.Context, name string) (Version, error)
	// Scan yields the keys in [from, to) in order; an empty to means no upper
	// end. Prefix helps to name a range.
	Scan(ctx context.Context, from, to string) iter.Seq2[Version, error]
	// Events yields the events of a stream after the given number: after n
	// comes n+1 first.
	Events(ctx context.Context, stream string, after uint64) iter.Seq2[Recorded, error]
	// Length is the number of events in a stream.
	Length(ctx context.Context, stream string) (uint64, error)
}

// Prefix is the range of names that begin with prefix, for Scan.
func Prefix(prefix string) (from, to string) {
	for i := len(prefix) - 1; i >= 0; i-- {
		// The successor must stay valid UTF-8: step the last rune below the
		// maximum, jumping over the surrogates.
		if r, ok := nextRune(prefix, i); ok {
			return prefix, prefix[:i] + r
		}
	}
	return prefix, ""
}

func nextRune(s string, i int) (string, bool) {
	const maxRune, firstSurrogate, afterSurrogates = 0x10FFFF, 0xD800, 0xE000
	if s[i]&0xC0 == 0x80 { // inside a rune
		return "", false
	}
	r := []rune(s[i:])
	if len(r) == 0 || r[0] == maxRune {
		return "", false
	}
	next := r[0] + 1
	if next == firstSurrogate {
		next = afterSurrogates
	}
	return string(next), true
}

// View is a frozen view of one group: two reads of one View agree.
type View struct {
	snapshot Snapshot
	group    string
	borrowed bool // the snapshot is a Cut's
}

// Cut is a frozen view of the whole database.
type Cut struct{ snapshot Snapshot }

// Group is the part of the cut that is one group. It need not be closed.
func (c *Cut) Group(name string) *View {
	return &View{snapshot: c.snapshot, group: name, borrowed: true}
}

// Groups yields the names of all groups that hold keys or streams, each once:
// in the order of their slots, and of their names within a slot.
func (c *Cut) Groups(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		q := Query{Kind: QueryGroups}
		for {
			a, err := c.snapshot.Read(ctx, q)
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range a.Names {
				if !yield(name, nil) {
					return
				}
				q.Name = name
			}
			if !a.More {
				return
			}
		}
	}
}

// Stamp says where the cut is frozen.
func (c *Cut) Stamp() Stamp { return c.snapshot.Stamp() }

// Close releases the cut.
func (c *Cut) Close() error { return c.snapshot.Close() }

// Stamp says where and when the view is frozen.
func (v *View) Stamp() Stamp { return v.snapshot.Stamp() }

// Token has seen what the view shows.
func (v *View) Token() Token { return v.snapshot.Stamp().Token }

// Close releases the view.
func (v *View) Close() error {
	if v.borrowed {
		return nil
	}
	return v.snapshot.Close()
}

// Get reads one key.
func (v *View) Get(ctx context.Context, name string) (Version, error) {
	return get(ctx, v.snapshot, v.group, name)
}

func get(ctx context.Context, s Snapshot, group, name string) (Version, error) {
	if err := CheckName("key", name); err != nil {
		return Version{}, err
	}
	a, err := s.Read(ctx, Query{Kind: QueryGet, Group: group, Name: name})
	if err != nil || len(a.Versions) == 0 {
		return Version{Name: name}, err
	}
	return a.Versions[0], nil
}

// Scan yields the keys in [from, to) in order.
func (v *View) Scan(ctx context.Context, from, to string) iter.Seq2[Version, error] {
	return scan(ctx, v.snapshot, v.group, from, to)
}

func scan(ctx context.Context, s Snapshot, group, from, to string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		q := Query{Kind: QueryScan, Group: group, Name: from, To: to}
		for {
			a, err := s.Read(ctx, q)
			if err != nil {
				yield(Version{}, err)
				return
			}
			for _, version := range a.Versions {
				if !yield(version, nil) {
					return
				}
				// The next page begins at the smallest name after this one.
				q.Name = version.Name + "\x00"
			}
			if !a.More {
				return
			}
		}
	}
}

// Events yields the events of a stream after the given number.
func (v *View) Events(ctx context.Context, stream string, after uint64) iter.Seq2[Recorded, error] {
	return events(ctx, v.snapshot, v.group, stream, after)
}

func events(ctx context.Context, s Snapshot, group, stream string, after uint64) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		if err := CheckName("stream", stream); err != nil {
			yield(Recorded{}, err)
			return
		}
		q := Query{Kind: QueryEvents, Group: group, Name: stream, After: after}
		for {
			a, err := s.Read(ctx, q)
			if err != nil {
				yield(Recorded{}, err)
				return
			}
			for _, e := range a.Events {
				if !yield(e, nil) {
					return
				}
				q.After = e.Number
			}
			if !a.More {
				return
			}
		}
	}
}

// Length is the number of events in a stream.
func (v *View) Length(ctx context.Context, stream string) (uint64, error) {
	return length(ctx, v.snapshot, v.group, stream)
}

func length(ctx context.Context, s Snapshot, group, stream string) (uint64, error) {
	if err := CheckName("stream", stream); err != nil {
		return 0, err
	}
	// After the largest number there is no event: only the length comes back.
	a, err := s.Read(ctx, Query{Kind: QueryEvents, Group: group, Name: stream, After: 1<<64 - 1})
	return a.Length, err
}

// Streams yields the names of the streams in [from, to) in order.
func (v *View) Streams(ctx context.Context, from, to string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		q := Query{Kind: QueryStreams, Group: v.group, Name: from, To: to}
		for {
			a, err := v.snapshot.Read(ctx, q)
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range a.Names {
				if !yield(name, nil) {
					return
				}
				q.Name = name + "\x00"
			}
			if !a.More {
				return
			}
		}
	}
}

// History is the versions of a key that are still kept, newest first,
// deletions included with Exists false.
func (v *View) History(ctx context.Context, name string, most int) ([]Version, error) {
	a, err := v.snapshot.Read(ctx, Query{Kind: QueryHistory, Group: v.group, Name: name, Max: most})
	return a.Versions, err
}

// Lease is the newest grant of a lease.
func (v *View) Lease(ctx context.Context, name string) (Lease, error) {
	if err := CheckName("lease", name); err != nil {
		return Lease{}, err
	}
	a, err := v.snapshot.Read(ctx, Query{Kind: QueryLease, Group: v.group, Name: name})
	return a.Lease, err
}

// Receipt is the receipt of a committed ID, or nil.
func (v *View) Receipt(ctx context.Context, id string) (*Receipt, error) {
	a, err := v.snapshot.Read(ctx, Query{Kind: QueryID, Group: v.group, Name: id})
	return a.Receipt, err
}
