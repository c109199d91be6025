package node

import (
	"context"
	"iter"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// Beside is one partition at the tail of a shared log, for one transaction that is
// judged beside the loop: by a caller who has locked that tail, and appends the
// record himself, together with changes of his own. It is a mainstem.Backend, for
// one goroutine. Nothing of what it does is in the node's state before the loop has
// read it from the log.
//
// Invariant: tail is what the log ended in while the caller held the lock.
type Beside struct {
	p       *partition
	log     *generation
	append  func(ctx context.Context, record []byte) (journal.Head, error)
	rows    *state.Overlay
	tail    *state.Tail
	release func()
	room    state.Room
}

var _ mainstem.Backend = (*Beside)(nil)

// LogOf is the log of a group's partition as its engine has it, the number of the
// partition, and the index that the log begins behind: 0 unless the database was
// moved to it.
func (n *Node) LogOf(group string) (log journal.Log, partition int, base uint64) {
	p := n.partitionOf(group)
	g := p.log()
	return g.raw, p.id, g.base
}

// besideLag is how many records a node may have left to read when the tail is locked:
// all others wait for as long as that takes.
const besideLag = 16

// Reach waits until all but the last few records up to an index are applied.
func (n *Node) Reach(ctx context.Context, group string, index uint64) error {
	p := n.partitionOf(group)
	for {
		news := n.listen()
		if err := p.down(); err != nil {
			return err
		}
		if p.applied().Head.Index+besideLag >= index {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return typed(ctx.Err(), "reading up to record %d of partition %d", index, p.id)
		}
	}
}

// Beside freezes the node's state, for a caller who is about to lock the tail of log,
// which LogOf gave: it is RetryTransaction if the partition has left that since. The
// loop need not have come so far; it can be waiting for the same lock.
func (n *Node) Beside(group string, log journal.Log, append func(ctx context.Context, record []byte) (journal.Head, error)) (*Beside, error) {
	if err := mainstem.CheckGroup(group); err != nil {
		return nil, err
	}
	p := n.partitionOf(group)
	if n.cfg.ReadOnly || !p.shared() {
		return nil, mainstem.Errorf(mainstem.Invalid, "nothing is appended beside a node that is read-only, or alone on its log")
	}
	rows, release, tail, err := p.reading()
	if err != nil {
		return nil, err
	}
	b := &Beside{p: p, log: p.log(), append: append, rows: state.NewOverlay(rows, p.seed), tail: tail, release: release}
	if b.log.raw != log {
		release()
		return nil, b.moved()
	}
	return b, nil
}

// Next is the first slot that is not in the state.
func (b *Beside) Next() uint64 { return b.log.from(b.tail.Head.Index+1, b.tail.Head.Slot+1) }

// Lead brings the state, in memory of its own, to the tail that was locked, named by
// its index in the chain: entries are what the log holds from Next on.
func (b *Beside) Lead(locked journal.Head, entries []journal.Entry) error {
	for _, entry := range entries {
		r, head, err := b.p.successor(b.rows, b.tail, entry)
		if err != nil {
			return b.p.damaged(err)
		}
		if r == nil {
			continue // void
		}
		if b.tail, err = state.Replay(&b.room, b.rows, nil, b.tail, r, head, b.put); err != nil {
			return b.p.damaged(err)
		}
	}
	if current(b.tail) != b.log.id {
		return b.moved()
	}
	if len(b.tail.Votes) > 0 {
		return mainstem.Errorf(mainstem.Unavailable, "nodes do not agree on the state of partition %d after record %d: nothing is decided meanwhile (L12)", b.p.id, b.tail.Votes[0].Settled)
	}
	if head := b.tail.Head; head.Index != locked.Index || head.Hash != locked.Hash {
		return mainstem.Errorf(mainstem.RetryTransaction, "the log of partition %d ends in record %d with hash %s for this node, and in record %d with hash %s where its tail was locked (L2)",
			b.p.id, head.Index, head.Hash, locked.Index, locked.Hash)
	}
	return nil
}

// moved refuses what would go behind the record that has moved the log: it would be in
// the log that was left, and in no other.
func (b *Beside) moved() error {
	return mainstem.Errorf(mainstem.RetryTransaction, "partition %d has moved to another log", b.p.id)
}

func (b *Beside) put(w state.Write) { b.rows.Put(w, runBatch) }

// Commit judges a transaction at the locked tail, and has its record appended. An
// answer without a record is one of that tail.
func (b *Beside) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	p := b.p
	if _, err := p.node.admit(ctx, t); err != nil {
		return nil, err
	}
	if p.node.partitionOf(t.Group) != p {
		return nil, mainstem.Errorf(mainstem.WrongGroup, "group %q is of another partition than %d", t.Group, p.id)
	}
	h := p.undated(b.tail)
	p.time.beside(&h, b.tail)
	step := state.Begin(&b.room, b.rows, nil, b.tail, &h, b.put)
	decided, known, err := step.Judge(t)
	if err != nil {
		return nil, p.damaged(err)
	}
	if known != nil {
		return known, p.completeFrom(b.rows, b.tail, known)
	}
	position, err := step.Admit(decided)
	if err != nil {
		return nil, p.damaged(err)
	}
	receipt := &mainstem.Receipt{
		Partition: p.id, Position: position, Incarnation: h.Incarnation, Age: step.Tail.Age, Wall: wallTime(step.Tail.Wall),
		Reply: decided.Reply, Refused: decided.Refused, Results: append([]mainstem.Result(nil), decided.Results...),
	}
	if err := step.Finish(&h); err != nil {
		return nil, p.damaged(err)
	}
	h.PrevHash, h.Count = b.tail.Head.Hash, 1
	r := &record.Record{Header: h, Transactions: []record.Transaction{*decided}}
	if err := b.tail.Follows(r); err != nil {
		return nil, err
	}
	bytes, err := record.Encode(nil, r)
	if err != nil {
		return nil, err
	}
	head := journal.Head{Index: h.Index, Hash: journal.Sum(bytes)}
	receipt.Token = mainstem.NewToken(state.Mark(p.id, h.Incarnation, position, head))
	if err := p.completeFrom(b.rows, b.tail, receipt); err != nil {
		return nil, err
	}
	if _, err := b.append(ctx, bytes); err != nil {
		return receipt, err
	}
	return receipt, nil
}

// View is the locked tail, at Latest.
func (b *Beside) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, typed(err, "view")
	}
	if err := r.ID.Validate(); err != nil {
		return nil, err
	}
	if r.Group == "" || b.p.node.partitionOf(r.Group) != b.p || r.At.Level != mainstem.LevelLatest {
		return nil, mainstem.Errorf(mainstem.Invalid, "beside an append one group is read, at Latest")
	}
	// The state is Beside's own to let go: the view holds nothing.
	f := &frozen{rows: b.rows, tail: b.tail, token: mainstem.NewToken(b.tail.Mark()), close: func() {}}
	f.holders.Begin()
	c := cut{p: b.p, frozen: f, Reading: state.Reading{Rows: b.rows, Tail: b.tail, At: b.tail.Last}}
	s := &snapshot{node: b.p.node, group: r.Group, cuts: []cut{c}}
	if err := s.finish(r); err != nil {
		return nil, err
	}
	return s, nil
}

// Changes is not for what has a tail alone.
func (b *Beside) Changes(context.Context, mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		yield(mainstem.Batch{}, mainstem.Errorf(mainstem.Invalid, "beside an append nothing is followed"))
	}
}

// Close lets the state go.
func (b *Beside) Close() error {
	b.release()
	return nil
}
