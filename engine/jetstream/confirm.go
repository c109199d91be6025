package jetstream

import (
	"context"
	"fmt"

	"github.com/mainstemdb/mainstem/journal"
)

// proof is a head that was the tail, and the number of the append or proof
// that showed it.
type proof struct {
	of     journal.Head
	number uint64
}

// begin numbers an append or a proof that begins now.
func (l *Log) begin() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun++
	return l.begun
}

// Confirm returns nil if, at some moment after the call began, head was the
// tail; ErrLost if head has a successor or is not in this log. Any other error
// says that it could not be proven.
//
// JetStream has no linearizable read: a leader that has been replaced still
// answers. So the proof is a message of 64 bytes that the stream's servers
// commit behind everything that is known not to follow head (L8). Readers see
// it as a void. Calls that wait at the same time share one.
func (l *Log) Confirm(ctx context.Context, head journal.Head) error {
	l.mu.Lock()
	before := l.begun
	l.mu.Unlock()
	release, err := l.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if l.proven.of == head && l.proven.number > before {
		return nil
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	number := l.begin()
	p, err := l.stand(ctx, head)
	if err != nil {
		return fmt.Errorf("jetstream: confirm index %d: %w", head.Index, err)
	}
	m := message{kind: kindProof, names: head}
	seq, err := l.push(ctx, p, m.encode(l.name), journal.Hash{})
	if err != nil {
		return fmt.Errorf("jetstream: confirm index %d: %w", head.Index, err)
	}
	l.saw(seq)
	p.end = max(p.end, seq)
	l.known, l.proven = *p, proof{of: head, number: number}
	return nil
}
