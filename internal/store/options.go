package store

import (
	"context"
	"fmt"
	"log/slog"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// format is the version of Pebble's files that this Mainstem writes. It is
// named, and not "the newest", so that a newer Pebble does not make a
// directory unreadable for the release before.
const format = pebble.FormatValueSeparation

// filterBits per name keep the share of lookups of absent names that reach a
// table for nothing at about one in a hundred.
const filterBits = 10

// indexBlock keeps the index of a table in one block: with two levels of index
// each lookup of a row asks the cache once more.
const indexBlock = 256 << 10

func options(s *Store, c Config) *pebble.Options {
	o := &pebble.Options{
		Comparer:           comparer,
		FS:                 s.fuse,
		Cache:              s.cache,
		MemTableSize:       64 << 10, // nothing goes through it
		FormatMajorVersion: format,
		DisableWAL:         true,
		ReadOnly:           c.ReadOnly,
		ErrorIfNotExists:   c.ReadOnly,
		Logger:             quiet{s},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { s.fail("writing in the background", err) },
			DataCorruption:  func(info pebble.DataCorruptionInfo) { s.fail("reading "+info.Path, info.Details) },
			CompactionEnd:   func(pebble.CompactionInfo) { s.ease() },
			TableDeleted: func(info pebble.TableDeleteInfo) {
				if info.Err != nil {
					s.log.Warn("a table that is no longer needed could not be deleted", "path", info.Path, "err", info.Err)
				}
			},
			DiskSlow: func(info pebble.DiskSlowInfo) { s.log.Warn("the disk is slow", "info", info.String()) },
		},
		// Apply holds writers back itself: one that waits
		// inside Pebble waits for ever once the disk has failed.
		MemTableStopWritesThreshold: math.MaxInt32,
		L0StopWritesThreshold:       math.MaxInt32,
	}
	// One compaction runs at a time, so the end of one is the only moment to
	// begin another. The usual scheduler also looks ten times a second, in a
	// goroutine that is left behind when Open fails.
	o.CompactionConcurrencyRange = func() (int, int) { return 1, 1 }
	o.Experimental.CompactionScheduler = s.compactions
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
		o.Levels[i].IndexBlockSize = indexBlock
	}
	return o
}

// quiet is how Pebble logs.
type quiet struct{ s *Store }

func (q quiet) Infof(format string, args ...any) { q.at(slog.LevelDebug, format, args) }

func (q quiet) Errorf(format string, args ...any) { q.at(slog.LevelWarn, format, args) }

// Fatalf is called where Pebble expects the process to end, above all when its
// manifest could not be written. The store fails instead, which cuts it off
// from its files, and Pebble goes on into its error paths, harmless.
func (q quiet) Fatalf(format string, args ...any) {
	q.s.fail("pebble", fmt.Errorf(format, args...))
}

func (q quiet) at(level slog.Level, format string, args []any) {
	if q.s.log.Enabled(context.Background(), level) {
		q.s.log.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}
