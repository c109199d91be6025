package backup

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/record"
)

// Databases are those of which a store has anything.
func Databases(ctx context.Context, store blob.Store) ([]record.UUID, error) {
	names, err := store.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var all []record.UUID
	for _, name := range names {
		text, _, _ := strings.Cut(name, "/")
		var id record.UUID
		if b, err := hex.DecodeString(text); err == nil && len(b) == len(id) {
			copy(id[:], b)
			if len(all) == 0 || all[len(all)-1] != id {
				all = append(all, id)
			}
		}
	}
	return all, nil
}

// Listed is a snapshot with its manifest, or why it has none.
type Listed struct {
	Ref      Ref
	Manifest *Manifest
	Err      error
}

// Latest are the snapshots of a partition in all incarnations: those that cannot be read,
// and then the others, by their positions, newest first. A restore skips positions, so that
// the incarnation that it began comes before those that it ended.
func Latest(ctx context.Context, store blob.Store, database record.UUID, partition uint32) ([]Listed, error) {
	refs, err := List(ctx, store, database, partition)
	if err != nil {
		return nil, err
	}
	var all []Listed
	for _, r := range refs {
		m, err := r.Load(ctx, store)
		all = append(all, Listed{Ref: r, Manifest: m, Err: err})
	}
	position := func(l Listed) uint64 {
		if l.Manifest == nil {
			return 1 << 63
		}
		return uint64(l.Manifest.Position)
	}
	slices.SortStableFunc(all, func(a, b Listed) int { return cmp.Compare(position(b), position(a)) })
	return all, nil
}
