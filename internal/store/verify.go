package store

import (
	"context"
	"errors"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// Verify reads every block of every table from the disk, past all caches, and
// checks its checksum, then reads every row once in order. Damage ends the
// store and wraps ErrCorrupt (L12). It may take as long as the disk needs for
// that, and stops early with the error of ctx.
func (s *Store) Verify(ctx context.Context) error {
	if !s.users.enter() {
		return ErrClosed
	}
	defer s.users.leave()
	// While it is open, no table that it reads is deleted.
	it, err := s.db.NewIter(nil)
	if err != nil {
		return s.damaged("verifying", err)
	}
	err = s.verifyTables(ctx)
	if err == nil {
		err = verifyRows(ctx, it)
	}
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	return s.damaged("verifying", err)
}

func (s *Store) verifyTables(ctx context.Context) error {
	levels, err := s.db.SSTables()
	if err != nil {
		return err
	}
	for _, level := range levels {
		for _, table := range level {
			if err := ctx.Err(); err != nil {
				return err
			}
			path := s.fuse.PathJoin(s.dir, table.BackingSSTNum.String()+".sst")
			if err := s.verifyTable(ctx, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) verifyTable(ctx context.Context, path string) error {
	file, err := s.fuse.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		// A table newer than the iterator was compacted away meanwhile; its
		// rows are in another one. If it is missing for another reason, reading
		// the rows finds that.
		return nil
	}
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	r, err := sstable.NewReader(ctx, readable, s.opts.MakeReaderOptions())
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	err = r.ValidateBlockChecksums()
	return errors.Join(err, r.Close())
}

func verifyRows(ctx context.Context, it *pebble.Iterator) error {
	const often = 1024
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if _, err := it.ValueAndErr(); err != nil {
			return err
		}
		if n++; n%often == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return it.Error()
}
