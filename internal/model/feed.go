package model

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// Changes yields one change per batch.
func (b *Backend) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		next, err := b.after(from.After)
		if err != nil {
			yield(mainstem.Batch{}, err)
			return
		}
		b.mu.Lock()
		end := b.model.Tail()
		b.mu.Unlock()
		for {
			b.mu.Lock()
			fresh, grown, closed := slices.Clone(b.model.log[next:]), b.grown, b.closed
			b.mu.Unlock()
			for _, c := range fresh {
				if from.Drain && c.Position > end {
					return
				}
				next++
				batch := mainstem.Batch{Changes: []mainstem.Change{c}, Token: tokenAt(c.Position), Head: mainstem.Position(len(fresh)) + next}
				if matches(from.Match, c) && !yield(batch, nil) {
					return
				}
			}
			switch {
			case from.Drain:
				return
			case closed:
				yield(mainstem.Batch{}, stopped())
				return
			}
			select {
			case <-grown:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (b *Backend) after(t mainstem.Token) (mainstem.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := mainstem.Position(0)
	for _, mark := range t.Marks() {
		if mark.Incarnation != incarnation || mark.Position > b.model.Tail() {
			return 0, no(mainstem.HistoryLost, "token")
		}
		at = mark.Position
	}
	return at, nil
}

// matches is a filter's documentation, said again in code.
func matches(m mainstem.Match, c mainstem.Change) bool {
	slot := mainstem.SlotOf(c.Group)
	group := (len(m.Groups) == 0 || slices.Contains(m.Groups, c.Group)) && strings.HasPrefix(c.Group, m.GroupPrefix) &&
		(m.EndSlot == 0 || m.FirstSlot <= slot && slot < m.EndSlot)
	named, kind := m.NamePrefix == "", len(m.Kinds) == 0
	for _, e := range c.Effects {
		named = named || strings.HasPrefix(e.Name, m.NamePrefix)
		kind = kind || slices.Contains(m.Kinds, e.Kind)
	}
	return group && named && kind
}
