package journal

import (
	"context"
	"fmt"
	"iter"
)

// Rebase shows a log that begins in the middle of a chain as that chain: the first
// record of log is the successor of base. To the engine it is the first of all, so
// it is named by the zero Head there; every other index is moved by base's. Slots
// are the engine's own. Where base is the zero Head, the log is as it was.
//
// The base of a log is that of its first record, for good. It can be read there as
// long as that record is kept: its index less one, and its predecessor's hash.
func Rebase(log Log, base Head) Log {
	if base.Index == 0 {
		return log
	}
	base.Slot = 0 // in another log
	return &rebased{log: log, base: base}
}

// rebased is a log whose records' indexes are those of the engine and base's.
type rebased struct {
	log  Log
	base Head
}

// down is a head as the engine knows it.
func (r *rebased) down(h Head) (Head, error) {
	switch {
	case h.Index == r.base.Index && h.Hash == r.base.Hash:
		return Head{}, nil
	case h.Index <= r.base.Index:
		return h, fmt.Errorf("%w: index %d (%v) is not in the log, which begins behind index %d (%v)", ErrLost, h.Index, h.Hash, r.base.Index, r.base.Hash)
	}
	h.Index -= r.base.Index
	return h, nil
}

// Append writes a record as the successor of after.
func (r *rebased) Append(ctx context.Context, after Head, record []byte) (Head, error) {
	after, err := r.down(after)
	if err != nil {
		return Head{}, err
	}
	head, err := r.log.Append(ctx, after, record)
	if err != nil {
		return Head{}, err
	}
	head.Index += r.base.Index
	return head, nil
}

// Read yields the entries of the engine.
func (r *rebased) Read(ctx context.Context, from uint64) iter.Seq2[Entry, error] {
	return r.log.Read(ctx, from)
}

// Confirm proves the tail.
func (r *rebased) Confirm(ctx context.Context, head Head) error {
	head, err := r.down(head)
	if err != nil {
		return err
	}
	return r.log.Confirm(ctx, head)
}

// Wait waits for a slot of the engine.
func (r *rebased) Wait(ctx context.Context, slot uint64) error { return r.log.Wait(ctx, slot) }

// Trim forgets slots of the engine.
func (r *rebased) Trim(ctx context.Context, slot uint64) error { return r.log.Trim(ctx, slot) }

// Figures are the engine's, if it counts.
func (r *rebased) Figures() Figures {
	if counts, ok := r.log.(interface{ Figures() Figures }); ok {
		return counts.Figures()
	}
	return Figures{}
}

// Close closes the engine's log.
func (r *rebased) Close() error { return r.log.Close() }
