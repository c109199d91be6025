package jetstream

import (
	"context"
	"time"
)

// Wait returns nil as soon as a durable entry exists at slot or above; the
// context's error when ctx ends first. The servers tell of each message that
// they store, without its bytes; a wait that hears nothing looks every second.
// A cluster that does not answer is waited for.
func (l *Log) Wait(ctx context.Context, slot uint64) error {
	poll := time.NewTicker(Poll)
	defer poll.Stop()
	for {
		l.mu.Lock()
		if l.moved == nil {
			l.moved = make(chan struct{})
		}
		moved, seen := l.moved, l.seen
		l.mu.Unlock()
		if err := l.usable(); err != nil {
			return err
		}
		if l.reaches(seen, slot) {
			return nil
		}
		if l.there(ctx, slot) {
			return nil
		}
		select {
		case <-moved:
		case <-poll.C:
		case <-l.done:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// there asks the stream's leader.
func (l *Log) there(ctx context.Context, slot uint64) bool {
	ctx, cancel := l.within(ctx)
	defer cancel()
	if l.root(ctx) != nil {
		return false // it is asked again
	}
	l.mu.Lock()
	seen := l.seen
	l.mu.Unlock()
	return l.reaches(seen, slot)
}

// reaches is true if the message at seq is in slot or above.
func (l *Log) reaches(seq, slot uint64) bool {
	at := l.slotOf(seq)
	return at > 0 && at >= slot
}
