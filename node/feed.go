package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// Changes yields what has committed, in order. A follower pulls: it holds a
// position and one record, and a slow one slows nobody. When the log is
// trimmed past it, it ends with Trimmed.
func (n *Node) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		f, err := n.follower(ctx, from)
		if err != nil {
			yield(mainstem.Batch{}, err)
			return
		}
		for {
			news := n.listen()
			went, more, err := f.round(yield)
			switch {
			case err != nil:
				yield(mainstem.Batch{}, err)
				return
			case !more:
				return
			case went:
				continue
			case from.Drain:
				if err := ctx.Err(); err != nil { // or it could be taken for all there is
					yield(mainstem.Batch{}, typed(err, "the feed was ended before its head"))
				}
				return
			}
			select {
			case <-news:
			case <-n.done:
				yield(mainstem.Batch{}, mainstem.Errorf(mainstem.Stopped, "the feed ended: the database is closed"))
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

// follower is one reader of the feed.
type follower struct {
	ctx     context.Context
	node    *Node
	from    mainstem.From
	token   mainstem.Token
	cursors []*followCursor
}

// followCursor is where a follower is in one partition.
type followCursor struct {
	p     *partition
	index uint64            // of the record to be read next
	after mainstem.Position // seen up to here
	slot  uint64            // at or below the slot of that record
	end   uint64            // when draining: the last index
	// passed is how many changes did not match since the last batch.
	passed int
	// stored are records that were read from the log and not delivered yet.
	stored []fed
	// batch is what has been gathered, and last the record that after is in.
	batch []mainstem.Change
	last  fed
}

// fed is a record on its way to a follower.
type fed struct {
	*record.Record
	head journal.Head
	size int // in bytes, encoded
}

func (n *Node) follower(ctx context.Context, from mainstem.From) (*follower, error) {
	if err := from.Validate(); err != nil {
		return nil, err
	}
	f := &follower{ctx: ctx, node: n, from: from, token: from.After}
	for _, p := range n.parts {
		if !n.reaches(from.Match, p.id) {
			continue
		}
		c, err := p.follow(ctx, from)
		if err != nil {
			return nil, err
		}
		f.cursors = append(f.cursors, c)
	}
	return f, nil
}

// reaches reports whether a filter can match anything of a partition. What it
// cannot match must not end a feed when it is damaged (L12).
func (n *Node) reaches(m mainstem.Match, partition int) bool {
	first, end := partition*mainstem.Slots/len(n.parts), (partition+1)*mainstem.Slots/len(n.parts)
	if m.EndSlot > 0 && (int(m.EndSlot) <= first || end <= int(m.FirstSlot)) {
		return false
	}
	return len(m.Groups) == 0 || slices.ContainsFunc(m.Groups, func(group string) bool { return n.partitionOf(group).id == partition })
}

// follow finds where a follower begins in a partition.
func (p *partition) follow(ctx context.Context, from mainstem.From) (*followCursor, error) {
	frozen, release, tail, err := p.reading()
	if err != nil {
		return nil, err
	}
	defer release()
	view := cut{p: p, Reading: state.Reading{Rows: frozen, Tail: tail}}
	if err := view.atLeast(from.After); err != nil {
		return nil, p.damaged(err)
	}
	c := &followCursor{p: p, end: tail.Head.Index}
	for _, m := range from.After.Marks() {
		if m.Partition == p.id {
			c.after = max(c.after, m.Position)
		}
	}
	place, err := p.next(ctx, frozen, tail, c.after)
	c.index, c.slot = place.Head.Index, place.Head.Slot
	if err != nil {
		return nil, p.damaged(err)
	}
	return c, nil
}

// next is the place of the first record that a follower has to read.
func (p *partition) next(ctx context.Context, rows state.Rows, tail *state.Tail, after mainstem.Position) (state.Place, error) {
	// After everything comes the record that is not there yet.
	end := state.Place{Head: journal.Head{Index: tail.Head.Index + 1, Slot: tail.Head.Slot + 1}}
	oldest, kept, err := state.OldestPlace(rows)
	switch {
	case err != nil || !kept || after >= tail.Last:
		return end, err
	case after == 0:
		return p.beginning(ctx, rows, tail, oldest, end)
	case after+1 < oldest.First:
		return end, mainstem.Errorf(mainstem.Trimmed, "the feed after position %s is no longer kept; it begins at %s", after, oldest.First)
	}
	place, _, err := state.PlaceOf(rows, after+1)
	return place, err
}

// beginning is the place of the oldest record that the log still has: places
// are kept for as long as history is, which can be longer.
func (p *partition) beginning(ctx context.Context, rows state.Rows, tail *state.Tail, oldest, end state.Place) (state.Place, error) {
	trimmed := func(place state.Place) bool {
		g := p.log()
		for _, err := range g.Read(ctx, g.slot(place.Head)) {
			return errors.Is(err, journal.ErrTrimmed)
		}
		return false
	}
	if !trimmed(oldest) {
		return oldest, nil
	}
	gone, err := state.LastBefore(rows, tail.Last, trimmed)
	if err != nil || gone >= tail.Last {
		return end, err
	}
	place, _, err := state.PlaceOf(rows, gone+1)
	return place, err
}

// round yields what there is of every partition.
func (f *follower) round(yield func(mainstem.Batch, error) bool) (went, more bool, err error) {
	for _, c := range f.cursors {
		did, more, err := f.gather(c, yield)
		went = went || did
		if err != nil || !more {
			return went, more, err
		}
	}
	return went, true, nil
}

// gatherBytes is how much of a log becomes one round of a partition: whoever is
// behind gets many small records in one batch.
const gatherBytes = 256 << 10

// gather yields the changes of the records that are there, in batches of at most
// Max. It waits for none.
func (f *follower) gather(c *followCursor, yield func(mainstem.Batch, error) bool) (went, more bool, err error) {
	for size := 0; size < gatherBytes; {
		var r fed
		if r, err = c.read(f); err != nil || r.Record == nil {
			break
		}
		went = true
		if !f.deliver(c, r, yield) {
			return went, false, nil
		}
		c.index, c.slot = r.Index+1, r.head.Slot+1
		size += r.size
	}
	if went && !f.send(c, yield) {
		return went, false, nil
	}
	return went, true, c.p.damaged(err)
}

// read returns the next record of a partition, or none if it is not there yet.
func (c *followCursor) read(f *follower) (fed, error) {
	if err := c.p.down(); err != nil {
		return fed{}, err
	}
	if f.ctx.Err() != nil || f.from.Drain && c.index > c.end {
		return fed{}, nil
	}
	if len(c.stored) > 0 {
		r := c.stored[0]
		c.stored = c.stored[1:]
		return r, nil
	}
	if entry := c.p.ring.at(c.index); entry != nil {
		r, err := entry.decode()
		return fed{r, entry.head, len(entry.bytes)}, err
	}
	if c.index > c.p.applied().Head.Index {
		return fed{}, nil
	}
	if err := c.load(f.ctx); err != nil || len(c.stored) == 0 {
		return fed{}, err
	}
	return c.read(f)
}

// How much is read from the log at once for one follower that is behind.
const (
	loadRecords = 1024
	loadBytes   = gatherBytes
)

// load reads the next records from the log, none that is not applied yet.
func (c *followCursor) load(ctx context.Context) error {
	applied, bytes := c.p.applied().Head.Index, 0
	var newest []byte
	g := c.p.log()
	for entry, err := range g.Read(ctx, g.from(c.index, c.slot)) {
		if err != nil && c.p.log() != g {
			c.stored = nil
			return c.load(ctx) // the log has moved meanwhile
		}
		var r *record.Record
		if err == nil {
			r, err = record.Decode(entry.Record)
		}
		if err != nil {
			c.stored = nil
			return err
		}
		if r.Index > applied {
			break
		}
		if r.Index < c.index+uint64(len(c.stored)) {
			continue // from before, or void
		}
		if r.Index > c.index+uint64(len(c.stored)) {
			gone := c.index + uint64(len(c.stored))
			c.stored = nil
			return fmt.Errorf("%w: record %d", journal.ErrTrimmed, gone)
		}
		if n := len(c.stored); n > 0 {
			c.stored[n-1].head.Hash = r.PrevHash // the chain has it, so it need not be computed
		}
		c.stored = append(c.stored, fed{r, journal.Head{Index: r.Index, Slot: entry.Slot}, len(entry.Record)})
		newest = entry.Record
		if bytes += len(entry.Record); bytes >= loadBytes || len(c.stored) >= loadRecords {
			break
		}
	}
	if n := len(c.stored); n > 0 {
		c.stored[n-1].head.Hash = journal.Sum(newest)
	}
	return nil
}

// progressEvery is after how many changes that do not match a batch without
// changes carries the token on, so that a reader of something rare does not
// find its place trimmed when it comes back.
const progressEvery = 4096

// deliver gathers the changes of a record that the follower has not seen and
// that match, and yields each full batch.
func (f *follower) deliver(c *followCursor, r fed, yield func(mainstem.Batch, error) bool) bool {
	most := f.from.Max
	if most <= 0 {
		most = math.MaxInt
	}
	for i := range r.Transactions {
		position := r.First + mainstem.Position(i)
		if position <= c.after {
			continue
		}
		c.after, c.last = position, r
		if cap(c.batch) == 0 && selectsAll(&f.from.Match) {
			c.batch = make([]mainstem.Change, 0, min(most, len(r.Transactions)-i+c.coming(r.size)))
		}
		change := changeOf(r.Record, i)
		if f.from.Match.Matches(&change) {
			c.batch = append(c.batch, change)
		} else {
			c.passed++
		}
		if len(c.batch) >= most && !f.send(c, yield) {
			return false
		}
	}
	return true
}

// coming is how many transactions of stored records are gathered with a record of
// that size.
func (c *followCursor) coming(size int) (n int) {
	for i := range c.stored {
		if size >= gatherBytes {
			break
		}
		n, size = n+len(c.stored[i].Transactions), size+c.stored[i].size
	}
	return n
}

// selectsAll reports whether a filter lets every change through.
func selectsAll(m *mainstem.Match) bool {
	return len(m.Groups) == 0 && m.GroupPrefix == "" && m.NamePrefix == "" && len(m.Kinds) == 0 && m.EndSlot == 0
}

// send yields what was gathered; a batch without changes only after many that did
// not match.
func (f *follower) send(c *followCursor, yield func(mainstem.Batch, error) bool) bool {
	if len(c.batch) == 0 && c.passed < progressEvery {
		return true
	}
	c.passed = 0
	f.token = f.token.Merge(mainstem.NewToken(state.Mark(c.p.id, c.last.Incarnation, c.after, c.last.head)))
	batch := mainstem.Batch{Partition: c.p.id, Changes: c.batch, Head: c.p.applied().Last, Token: f.token}
	c.batch = nil
	return yield(batch, nil)
}

func changeOf(r *record.Record, i int) mainstem.Change {
	t := &r.Transactions[i]
	return mainstem.Change{
		Partition: int(r.Partition), Position: r.First + mainstem.Position(i), Incarnation: r.Incarnation,
		Group: t.Group, ID: t.ID, Effects: t.Effects, Reply: t.Reply, Refused: t.Refused,
		Age: r.Age.Add(t.Later), Wall: wallTime(r.Wall + int64(t.Later)), Meta: t.Meta,
	}
}
