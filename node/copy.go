package node

import (
	"context"
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// copier copies the log of a partition to another, record by record and byte for
// byte, as far as this node has applied it. Several nodes may copy at once: the
// engine takes one successor of a record, and all of them bring the same.
type copier struct {
	p     *partition
	raw   journal.Log // as the engine has it
	to    journal.Log // by the indexes of the chain
	base  journal.Head
	head  journal.Head // the newest record that is in both
	home  record.UUID  // where the database was when a move began
	begun uint64       // how far its log was then
	// each is how long a record takes; prepared was last said of the move, and when.
	each       time.Duration
	prepared   *notice
	preparedAt time.Time
	// copied is how many records this copier has added.
	copied uint64
}

// How a copier tries.
const (
	copyTries = 20
	copyPause = time.Second // between tries, at most
	// copyBack is how far before its end a copy is looked into first.
	copyBack = 64
)

// newCopier finds out how far a copy is. What is there must be of this very chain.
func (p *partition) newCopier(ctx context.Context, raw journal.Log) (*copier, error) {
	c := &copier{p: p, raw: raw}
	rows, release, tail, err := p.reading()
	if err != nil {
		return nil, err
	}
	defer release()
	first, slot, err := oldest(ctx, raw)
	switch {
	case err != nil:
		return nil, typed(err, "the log that partition %d is to move to", p.id)
	case first == nil:
		if c.base, err = c.beginning(ctx, rows, tail); err != nil {
			return nil, err
		}
		c.head = c.base
	case slot > 1:
		return nil, c.foreign("%w", errCopyTrimmed)
	case first.Database != tail.Database || first.Partition != tail.Partition:
		return nil, c.foreign("its records are of partition %d of database %s", first.Partition, first.Database)
	default:
		c.base = journal.Head{Index: first.Index - 1, Hash: first.PrevHash}
		if c.head, err = c.end(ctx, rows, tail); err != nil {
			return nil, err
		}
	}
	c.to = journal.Rebase(raw, c.base)
	return c, nil
}

// errCopyTrimmed: others have gone on in a log for so long that its beginning is gone.
var errCopyTrimmed = errors.New("it was trimmed")

func (c *copier) foreign(format string, args ...any) error {
	e := mainstem.Errorf(mainstem.Invalid, "the log that partition %d is to move to is neither empty nor a copy of its log: "+format, append([]any{c.p.id}, args...)...)
	e.Advice = "give the move an empty log of its own"
	return e
}

// beginning is the record before the oldest that is kept, or that has to be: an engine
// may keep what it was told to forget.
func (c *copier) beginning(ctx context.Context, rows state.Rows, tail *state.Tail) (journal.Head, error) {
	place, kept, err := state.OldestPlace(rows)
	if needed := c.p.needed.Load(); err == nil && kept && needed > place.Head.Index {
		place, kept, err = state.PlaceAt(rows, tail.Last, needed)
	}
	if err == nil && kept {
		place, err = c.p.beginning(ctx, rows, tail, place, state.Place{Head: tail.Head})
	}
	if err != nil {
		return journal.Head{}, c.p.damaged(err)
	}
	g := c.p.log()
	for entry, err := range g.Read(ctx, g.slot(place.Head)) {
		if err != nil {
			return journal.Head{}, typed(err, "the log of partition %d", c.p.id)
		}
		if journal.Sum(entry.Record) != place.Head.Hash {
			continue
		}
		h, err := record.Peek(entry.Record)
		if err != nil {
			return journal.Head{}, c.p.undecodable(entry.Slot, err)
		}
		return journal.Head{Index: h.Index - 1, Hash: h.PrevHash}, nil
	}
	return journal.Head{}, mainstem.Errorf(mainstem.Unavailable, "record %d of partition %d could not be read", place.Head.Index, c.p.id)
}

// end is the newest record of the copy: looked for close to its end, and further
// back as long as nothing is there.
func (c *copier) end(ctx context.Context, rows state.Rows, tail *state.Tail) (journal.Head, error) {
	for back := uint64(copyBack); ; back *= 8 {
		from := uint64(1)
		if length := tail.Head.Index - min(tail.Head.Index, c.base.Index); length > back {
			from = length - back
		}
		head, there, err := c.endFrom(ctx, rows, tail, from)
		if err != nil || head.Index > 0 {
			return head, err
		}
		if from == 1 && there {
			return head, c.foreign("none of its records is known here")
		}
		if from == 1 {
			return head, mainstem.Errorf(mainstem.Unavailable, "the copy of partition %d has lost its records", c.p.id)
		}
	}
}

// endFrom reads a copy from a slot on: the newest record there that the state knows.
func (c *copier) endFrom(ctx context.Context, rows state.Rows, tail *state.Tail, from uint64) (head journal.Head, there bool, err error) {
	for entry, err := range c.raw.Read(ctx, from) {
		if err != nil {
			return head, there, typed(err, "the log that partition %d is to move to", c.p.id)
		}
		there = true
		h, err := record.Peek(entry.Record)
		if err != nil {
			return head, there, c.p.undecodable(entry.Slot, err)
		}
		if h.Index <= head.Index {
			continue
		}
		place, known, err := state.PlaceAt(rows, tail.Last, h.Index)
		if err != nil {
			return head, there, err
		}
		if hash := journal.Sum(entry.Record); known && place.Head.Hash == hash {
			head = journal.Head{Index: h.Index, Hash: hash, Slot: entry.Slot}
		} else if known && h.PrevHash == head.Hash {
			return head, there, c.foreign("its record %d has hash %s, and that of the database has %s", h.Index, hash, place.Head.Hash)
		}
	}
	return head, there, nil
}

// advance copies up to the record with an index, which this node has applied.
func (c *copier) advance(ctx context.Context, upTo uint64) error {
	c.p.copying.Lock()
	defer c.p.copying.Unlock()
	for c.head.Index < upTo {
		before := c.head.Index
		if err := c.stretch(ctx, upTo); err != nil {
			return err
		}
		if c.head.Index == before {
			return mainstem.Errorf(mainstem.Unavailable, "record %d of partition %d could not be read to be copied", before+1, c.p.id)
		}
	}
	return nil
}

func (c *copier) stretch(ctx context.Context, upTo uint64) error {
	place, err := c.next()
	if err != nil {
		return err
	}
	g := c.p.log()
	for entry, err := range g.Read(ctx, g.slot(place.Head)) {
		if err != nil && c.p.log() != g {
			return c.stretch(ctx, upTo) // another move was first
		}
		if err != nil {
			return typed(err, "the log of partition %d, to be copied", c.p.id)
		}
		h, err := record.Peek(entry.Record)
		if err != nil {
			return c.p.undecodable(entry.Slot, err)
		}
		if h.Index > upTo {
			return nil
		}
		if h.Index != c.head.Index+1 || h.PrevHash != c.head.Hash {
			continue // void, or there already
		}
		if err := c.put(ctx, entry.Record); err != nil {
			return err
		}
	}
	return nil
}

// next is the place of the record to be copied next.
func (c *copier) next() (state.Place, error) {
	rows, release, tail, err := c.p.reading()
	if err != nil {
		return state.Place{}, err
	}
	defer release()
	place, known, err := state.PlaceAt(rows, tail.Last, c.head.Index+1)
	if err != nil || !known {
		return place, errors.Join(err, mainstem.Errorf(mainstem.Unavailable, "the place of record %d of partition %d is not known any more", c.head.Index+1, c.p.id))
	}
	return place, nil
}

// put appends one record to the copy.
func (c *copier) put(ctx context.Context, bytes []byte) error {
	var err error
	for try, pause := 0, time.Millisecond; try < copyTries; try++ {
		var head journal.Head
		head, err = c.to.Append(ctx, c.head, bytes)
		if errors.Is(err, journal.ErrLost) {
			head, err = c.successor(ctx, bytes)
		}
		if err == nil {
			c.head = head
			c.copied++
			return nil
		}
		if mainstem.CodeOf(err) != 0 || errors.Is(err, journal.ErrCorrupt) || !sleep(ctx, pause) {
			break
		}
		pause = min(2*pause, copyPause)
	}
	return typed(err, "copying record %d of partition %d", c.head.Index+1, c.p.id)
}

// successor finds in the copy what another node has put behind the head: the same
// record, or it is no copy.
func (c *copier) successor(ctx context.Context, bytes []byte) (journal.Head, error) {
	for entry, err := range c.raw.Read(ctx, c.head.Slot+1) {
		if err != nil {
			return journal.Head{}, err
		}
		h, err := record.Peek(entry.Record)
		if err != nil {
			return journal.Head{}, c.p.undecodable(entry.Slot, err)
		}
		if h.Index != c.head.Index+1 || h.PrevHash != c.head.Hash {
			continue
		}
		if hash := journal.Sum(bytes); journal.Sum(entry.Record) == hash {
			return journal.Head{Index: h.Index, Hash: hash, Slot: entry.Slot}, nil
		}
		return journal.Head{}, c.foreign("its record %d is another one", h.Index)
	}
	return journal.Head{}, errNotThere
}

var errNotThere = errors.New("another record was to be there, and is not")
