package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// joined is both errors, the first of which says what it is.
func joined(err, more error) error {
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// Read yields the rows of a snapshot in the order of their keys, each chunk held to its
// hash before the first row of it is yielded (L12). A row is good until the next. It holds
// one chunk in memory.
func Read(ctx context.Context, store blob.Store, r Ref, m *Manifest, yield func(state.Row) error) error {
	var (
		last  []byte
		total int64
	)
	for i, c := range m.Chunks {
		name := c.name(r.at(), i+1)
		b, err := c.load(ctx, store, name)
		if err != nil {
			return err
		}
		n, after, err := rows(b, last, yield)
		if err == nil && n != c.Rows {
			err = fmt.Errorf("%w: it has %d rows, the manifest says %d (L12)", blob.ErrCorrupt, n, c.Rows)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		last, total = append([]byte(nil), after...), total+int64(n)
	}
	if total != m.Rows {
		return fmt.Errorf("%w: %s has %d rows, its manifest says %d (L12)", blob.ErrCorrupt, r.at(), total, m.Rows)
	}
	return nil
}

// Record reads the record that a snapshot ends in, as it stood in the log.
func Record(ctx context.Context, store blob.Store, r Ref, m *Manifest) ([]byte, error) {
	stored, err := store.Get(ctx, r.record())
	if err != nil {
		return nil, err
	}
	head, err := m.Head()
	if err != nil {
		return nil, err
	}
	if journal.Sum(stored) != head.Hash {
		return nil, fmt.Errorf("%w: %s has hash %s, the manifest says %s (L12)", blob.ErrCorrupt, r.record(), journal.Sum(stored), head.Hash)
	}
	if rec, err := record.Decode(stored); err != nil || rec.Index != head.Index {
		return nil, fmt.Errorf("%w: %s is not record %d: %w", blob.ErrCorrupt, r.record(), head.Index, err)
	}
	return stored, nil
}

// Verify reads all of a snapshot, and nothing of it is kept.
func Verify(ctx context.Context, store blob.Store, r Ref, m *Manifest) error {
	if _, err := Record(ctx, store, r, m); err != nil {
		return err
	}
	return Read(ctx, store, r, m, func(state.Row) error { return ctx.Err() })
}

// Good are the newest snapshots of an incarnation that are whole, read back just now, at
// most so many, newest first; and what is wrong with those that are not.
func Good(ctx context.Context, store blob.Store, all []Ref, most int) (good []Ref, newest *Manifest, bad []error) {
	for _, r := range all {
		if len(good) == most {
			break
		}
		m, err := r.Load(ctx, store)
		if err == nil {
			err = Verify(ctx, store, r, m)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("snapshot %s: %w", r, err))
			continue
		}
		if good = append(good, r); newest == nil {
			newest = m
		}
	}
	return good, newest, bad
}
