package pgcluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// writer is the name that records of a takeover carry in the place of a node's.
const writer = "pg-takeover"

// How much goes into one record, at most.
const (
	recordTransactions = 1 << 14
	recordBytes        = 4 << 20
)

// chain is the first records of a log, within a transaction of the database's.
type chain struct {
	log   *postgres.Within
	clock node.Clock
	began time.Duration // by the boot clock

	next  record.Record
	size  int
	head  journal.Head
	marks map[mainstem.Position]mainstem.Mark
}

// newChain begins a log that goes on after a position.
func newChain(log *postgres.Within, after mainstem.Position) *chain {
	c := &chain{log: log, clock: node.SystemClock(), marks: map[mainstem.Position]mainstem.Mark{}}
	_, c.began = c.clock.Boot()
	h := &c.next.Header
	h.Version, h.Database, h.Incarnation, h.Node, h.First = record.First, log.ID, newIncarnation(), writer, after+1
	rand.Read(h.Generation[:])
	h.Genesis = &record.Genesis{Partitions: 1, SlotEnds: []uint16{mainstem.Slots}, Created: c.clock.Wall().UnixNano(), After: after}
	h.Settings = &record.Settings{IDAge: int64(node.DefaultIDAge), Retain: int64(node.DefaultRetain)}
	return c
}

// newIncarnation is random, and never the zero that means none.
func newIncarnation() mainstem.Incarnation {
	var b [8]byte
	rand.Read(b[:])
	return mainstem.Incarnation(binary.BigEndian.Uint64(b[:]) | 1)
}

// mark asks what a token carries that has seen a position; until a record holds it,
// that is one of the history outside.
func (c *chain) mark(p mainstem.Position) { c.marks[p] = mainstem.Mark{Position: p} }

// add gives a transaction the next position.
func (c *chain) add(ctx context.Context, t record.Transaction) error {
	size := t.Bound()
	if n := len(c.next.Transactions); n == recordTransactions || n > 0 && c.size+size > recordBytes {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	c.next.Transactions = append(c.next.Transactions, t)
	c.size += size
	return nil
}

// flush appends what was added as one record. The first is there in any case.
func (c *chain) flush(ctx context.Context) error {
	h := &c.next.Header
	if len(c.next.Transactions) == 0 && c.head.Index > 0 {
		return nil
	}
	boot, now := c.clock.Boot()
	h.Index, h.PrevHash, h.Count = c.head.Index+1, c.head.Hash, uint32(len(c.next.Transactions))
	h.Age, h.Wall, h.Boot, h.BootTime = mainstem.LogAge(1+now-c.began), c.clock.Wall().UnixNano(), boot, int64(now)
	bytes, err := record.Encode(nil, &c.next)
	if err != nil {
		return err
	}
	if c.head, err = c.log.Append(ctx, 0, c.head, bytes); err != nil {
		return err
	}
	last := h.Last()
	for p := range c.marks {
		if h.First <= p && p <= last {
			c.marks[p] = mainstem.Mark{Incarnation: h.Incarnation, Position: p, Hash: binary.BigEndian.Uint32(c.head.Hash[:])}
		}
	}
	h.First, h.Genesis, h.Settings = last+1, nil, nil
	c.next.Transactions, c.size = c.next.Transactions[:0], 0
	return nil
}
