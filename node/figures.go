package node

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/tally"
	"github.com/mainstemdb/mainstem/journal"
)

// Figures is what a node has counted since it was opened, and what it holds at the
// moment. Reading them asks nothing of the writers, and costs the same however
// much is stored.
type Figures struct {
	// Err is why the database stopped by itself, or nil.
	Err error
	// Free is how many bytes the disk has left; -1 where nobody can say.
	Free       int64
	Partitions []PartitionFigures
}

// PartitionFigures are those of one partition. Durations are in nanoseconds.
type PartitionFigures struct {
	Partition int
	// Down is the code of why it does not serve; 0 while it does.
	Down mainstem.Code
	// Position is that of the last transaction and Age the log age now; both 0 of
	// a partition that could not be opened.
	Position mainstem.Position
	Age      mainstem.LogAge
	// IDs is how many of the callers' own IDs are remembered.
	IDs uint64

	// Batches are the transactions in each record that was sent to the log, and
	// Bytes its size; Appends is how long it took until it was durable, or was not.
	Batches, Bytes, Appends tally.Counts
	// Flying is for how long the append has run that is under way; 0 if none is.
	Flying time.Duration
	// Lost, Unknown and Failed are appends that ended so: see package journal.
	Lost, Unknown, Failed uint64
	// Of shared logs: Voids are records that came too late to count, Unforwarded are
	// transactions that the node which wrote last did not answer, and Takeovers is how
	// often another node wrote than the one before. Contested is how many digests of
	// nodes differ now.
	Voids, Unforwarded, Takeovers uint64
	Contested                     int
	// Unsaved is how much newer the state is, in log age, than its newest snapshot in the
	// blob store; -1 where there is no store, or another node writes.
	Unsaved time.Duration
	// Unarchived is how much newer it is than its archive, and 0 only if that has all of it;
	// -1 where this node does not archive. ArchiveBroken says that the archive has a gap and has ended.
	Unarchived    time.Duration
	ArchiveBroken bool

	// Waiting transactions are in the queue. Filled is how full it is, by number or
	// by bytes, whichever is more: at 1 the next one is Overloaded.
	Waiting int
	Filled  float64
	// Queue, Feed and State are what parts of the memory knob hold.
	Queue, Feed, State Share
	// Store is what is on disk of the state.
	Store StoreFigures
	// Log is what the engine counts; the zero Figures of one that does not.
	Log journal.Figures
}

// Share is a part of the memory knob, in bytes.
type Share struct{ Used, Limit int64 }

// StoreFigures are those of the state of a partition.
type StoreFigures struct {
	// Bytes are on the disk; Debt of them, roughly, is to be rewritten until the
	// tables are in their best shape.
	Bytes, Debt int64
	// ReadAmplification is through how many sorted runs a read looks.
	ReadAmplification int
	// Hits and Misses are blocks that were read from memory and from the disk.
	Hits, Misses int64
	// Waited is how long the writer has waited for the disk to catch up.
	Waited time.Duration
}

// Figures reads them.
func (n *Node) Figures() Figures {
	f := Figures{Err: n.Err(), Free: -1, Partitions: make([]PartitionFigures, 0, len(n.parts))}
	for _, p := range n.parts {
		f.Partitions = append(f.Partitions, p.figures())
	}
	if p := n.parts[0]; p.FS != nil {
		if usage, err := p.FS.GetDiskUsage(p.Dir); err == nil {
			f.Free = int64(usage.AvailBytes)
		}
	}
	return f
}

func (p *partition) figures() PartitionFigures {
	f := PartitionFigures{
		Partition: p.id, Down: mainstem.CodeOf(p.down()),
		Batches: p.counted.batches.Counts(), Bytes: p.counted.bytes.Counts(), Appends: p.counted.appends.Counts(),
		Flying: p.counted.flying(), Lost: p.counted.lost.Load(), Unknown: p.counted.unknown.Load(), Failed: p.counted.failed.Load(),
		Voids: p.counted.voids.Load(), Unforwarded: p.counted.unforwarded.Load(), Takeovers: p.counted.takeovers.Load(),
		State: Share{Limit: p.node.cfg.share(60)}, Unsaved: -1, Unarchived: -1, ArchiveBroken: p.archive.broken.Load(),
	}
	f.Waiting, f.Queue = p.queue.figures()
	f.Filled = max(float64(f.Waiting)/limitQueue, float64(f.Queue.Used)/float64(f.Queue.Limit))
	f.Feed = p.ring.figures()
	if newest := p.newest.Load(); newest != nil {
		f.Position, f.Age, f.IDs, f.Contested = newest.tail.Last, p.age(newest.tail), newest.tail.IDs(), len(newest.tail.Votes)
		f.Unsaved, f.Unarchived = p.behindDeposit(newest.tail), p.unarchived(newest.tail)
	}
	if p.store != nil {
		m := p.store.Metrics()
		f.State.Used = m.CacheBytes + m.DeltaBytes
		f.Store = StoreFigures{
			Bytes: m.DiskBytes, Debt: m.CompactionDebt, ReadAmplification: m.ReadAmplification,
			Hits: m.CacheHits, Misses: m.CacheMisses, Waited: time.Duration(m.Waited),
		}
	}
	if counts, ok := p.log().Log.(interface{ Figures() journal.Figures }); ok {
		f.Log = counts.Figures()
	}
	return f
}

func (q *queue) figures() (waiting int, share Share) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), Share{Used: q.bytes, Limit: q.limit}
}

func (r *ring) figures() Share {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Share{Used: r.bytes * decodedFactor, Limit: r.limit}
}

// counted is what the loop of a partition counts. The loop writes, anybody reads.
type counted struct {
	batches, bytes, appends tally.Histogram
	lost, unknown, failed   atomic.Uint64
	voids, unforwarded      atomic.Uint64
	takeovers               atomic.Uint64
	// tookOff is when the append under way began, in nanoseconds since start; 0
	// if none is.
	tookOff atomic.Int64
	// start is what that is measured from, so that a reading of the monotonic clock
	// fits in a word. It lies in the past: no append begins at 0.
	start time.Time
}

func (c *counted) takeOff(b *batch) {
	c.batches.Observe(int64(len(b.decided)))
	c.bytes.Observe(int64(len(b.bytes)))
	c.tookOff.Store(int64(time.Since(c.start)))
}

func (c *counted) land(err error) {
	c.appends.Observe(int64(time.Since(c.start)) - c.tookOff.Swap(0))
	switch {
	case err == nil:
	case errors.Is(err, journal.ErrLost):
		c.lost.Add(1)
	case errors.Is(err, journal.ErrUnknown):
		c.unknown.Add(1)
	default:
		c.failed.Add(1)
	}
}

func (c *counted) flying() time.Duration {
	since := c.tookOff.Load()
	if since == 0 {
		return 0
	}
	return max(0, time.Since(c.start)-time.Duration(since))
}
