package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
)

// loader writes rows. Which rows go together depends on the file alone, never
// on what happened before: so the same file makes the same transactions under
// the same IDs, and a second run is answered from the first.
type loader struct {
	env  *env
	db   *mainstem.DB
	hash string
	bar  *bar
	sum  importJSON
	mu   sync.Mutex // guards sum and bar while a window is written
}

const (
	// window is how many rows are looked at together.
	window = 2048
	// batchBytes bounds a transaction well below mainstem.LimitTransaction.
	batchBytes = 256 << 10
	// parallel is how many groups are written at the same time: enough to
	// fill the batches that one sync makes durable.
	parallel = 64
)

// all writes every row, window by window, so that rows of one group keep
// their order.
func (l *loader) all(rows iter.Seq2[row, error]) error {
	next := make([]row, 0, window)
	for r, err := range rows {
		if err != nil {
			return err
		}
		if r.err != nil { // counted and named before
			continue
		}
		if next = append(next, r); len(next) == window {
			if err := l.window(next); err != nil {
				return err
			}
			next = next[:0]
		}
	}
	return l.window(next)
}

// window writes rows: groups beside each other, one group in order.
func (l *loader) window(rows []row) error {
	byGroup := map[string][]row{}
	for _, r := range rows {
		byGroup[r.group] = append(byGroup[r.group], r)
	}
	ctx, cancel := context.WithCancelCause(l.env.ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallel)
	var writers sync.WaitGroup
	for _, group := range byGroup {
		slots <- struct{}{}
		writers.Go(func() {
			defer func() { <-slots }()
			for batch := range batches(group) {
				if err := l.commit(ctx, batch); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	writers.Wait()
	return context.Cause(ctx)
}

// batches cuts rows of one group into transactions.
func batches(rows []row) iter.Seq[[]row] {
	return func(yield func([]row) bool) {
		first, bytes := 0, 0
		for i, r := range rows {
			t := mainstem.Transaction{Operations: []mainstem.Operation{r.operation}}
			size := t.Size()
			if bytes += size; bytes > batchBytes && i > first {
				if !yield(rows[first:i]) {
					return
				}
				first, bytes = i, size
			}
		}
		if first < len(rows) {
			yield(rows[first:])
		}
	}
}

// commit writes one batch under an ID of file and line, as often as it takes.
func (l *loader) commit(ctx context.Context, batch []row) error {
	id := fmt.Sprintf("import.%s.%d", l.hash, batch[0].line)
	pause := 10 * time.Millisecond
	for attempt := 1; ; attempt++ {
		var lines []int
		receipt, err := l.db.Group(batch[0].group).Do(ctx, id, func(tx *mainstem.Txn) error {
			lines = fillBatch(tx, batch)
			return nil
		})
		if err == nil {
			l.count(batch, receipt)
			return nil
		}
		if !mainstem.CodeOf(err).Retryable() || attempt == 10 {
			return fmt.Errorf("%s: %w", place(batch, lines, err), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause/2 + rand.N(pause)):
			pause *= 2
		}
	}
}

// place names the line that an error is about, or those of the batch.
func place(batch []row, lines []int, err error) string {
	if e, ok := errors.AsType[*mainstem.Error](err); ok && e.Condition > 0 && e.Condition <= len(lines) {
		return fmt.Sprintf("line %d", lines[e.Condition-1])
	}
	if first, last := batch[0].line, batch[len(batch)-1].line; first != last {
		return fmt.Sprintf("lines %d to %d", first, last)
	}
	return fmt.Sprintf("line %d", batch[0].line)
}

// fillBatch asks for the rows' operations, and returns the line of each
// condition and operation, as errors count them. Of the conditions only the
// first of each stream is asked: the later ones follow from it.
func fillBatch(tx *mainstem.Txn, batch []row) (lines []int) {
	asked := map[string]uint64{} // stream -> length that the batch expects next
	for _, r := range batch {
		if c, ok := r.condition.(mainstem.StreamLength); ok {
			if next, seen := asked[c.Stream]; !seen || next != c.Length {
				tx.Require(c)
				lines = append(lines, r.line)
			}
			asked[c.Stream] = c.Length + 1
		}
	}
	for _, r := range batch {
		tx.Operate(r.operation)
		lines = append(lines, r.line)
	}
	return lines
}

func (l *loader) count(batch []row, receipt *mainstem.Receipt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum.Transactions++
	if receipt.Replayed {
		l.sum.Replayed++
	}
	for _, r := range batch {
		l.sum.Lines++
		if _, ok := r.operation.(mainstem.Append); ok {
			l.sum.Events++
		} else {
			l.sum.Keys++
		}
	}
	l.bar.show(l.sum.Lines)
}
