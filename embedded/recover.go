package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// Recovery says what RestoreFrom restores.
type Recovery struct {
	// From is the store that the snapshots are in, and the archive, if there is one.
	From blob.Store
	// Database names one of several in the store, in 32 hexadecimal digits; empty means
	// the only one.
	Database string
	// Position is the last position to be restored, of a database of one partition; 0
	// means as far as there is. Records are restored whole: the last is one that ends at
	// or before it.
	Position mainstem.Position
	// Time is the same by wall time: the last record is one that was begun before it. The
	// zero Time means as far as there is.
	Time time.Time
}

// Restored is what was restored of a partition.
type Restored struct {
	Partition int `json:"partition"`
	// Snapshot is the index of the record that the snapshot ends in, Rows and Bytes what it
	// has, Records how many were taken from the archive after it.
	Snapshot mainstem.Position `json:"snapshot"`
	Rows     int64             `json:"rows"`
	Bytes    int64             `json:"bytes"`
	Records  int               `json:"records"`
	// Index, Position and Wall are those of the last record restored, and the last
	// transaction.
	Index    mainstem.Position `json:"index"`
	Position mainstem.Position `json:"position"`
	Wall     time.Time         `json:"wall"`
	// PassedOver says what was wrong with newer snapshots.
	PassedOver []string `json:"passed_over,omitempty"`
}

// RestoreFrom makes the database in dir from a store of snapshots: the newest that is
// whole, and then the records that the archive there has after it, up to what the Recovery
// says. Everything read is held to its hash, and every record to the one before it (L2,
// L12); where the archive has a gap or is damaged, nothing is restored, and the error says
// up to where it can be.
//
// The restored database begins a new incarnation and skips 2^40 positions; a token of what
// it does not have is answered HistoryLost (L1). The directory must not exist; it appears
// whole or not at all. The store is not changed.
func RestoreFrom(ctx context.Context, r Recovery, dir string, opts ...Option) ([]Restored, error) {
	c := defaults(opts)
	exists, err := disk.Exists(c.fs, dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	if exists {
		return nil, advise(mainstem.Errorf(mainstem.Invalid, "%s exists", dir), "restore into a directory that does not exist yet")
	}
	partial := dir + disk.TempSuffix
	if err := c.fs.RemoveAll(partial); err != nil {
		return nil, openError(partial, err)
	}
	found, err := c.recover(ctx, r, partial)
	if err != nil {
		return nil, errors.Join(recoveryError(err), c.fs.RemoveAll(partial))
	}
	return found, c.reopen(ctx, partial, dir, opts)
}

// recoveryError types what went wrong in a store.
func recoveryError(err error) error {
	switch {
	case mainstem.CodeOf(err) != 0:
		return err
	case errors.Is(err, blob.ErrCorrupt), errors.Is(err, blob.ErrMissing):
		return mainstem.Errorf(mainstem.Corrupt, "the store: %w", err)
	default:
		return openError("restoring", fmt.Errorf("the store: %w", err))
	}
}

// reopen begins the new incarnation and gives the directory its name.
func (c *config) reopen(ctx context.Context, partial, dir string, opts []Option) error {
	db, err := Open(ctx, partial, append(opts, option(func(c *config) {
		c.node.Restored, c.node.Snapshots, c.node.Archive = true, nil, nil
	}))...)
	if err != nil {
		return err
	}
	// A damaged partition would keep its old incarnation and live on beside
	// the others: half a restore is none.
	for _, p := range db.node.Reports() {
		if p.Error != "" {
			return errors.Join(mainstem.Errorf(mainstem.Corrupt, "the backup's partition %d does not restore: %s", p.Partition, p.Error), db.Close())
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := c.fs.Rename(partial, dir); err != nil {
		return openError(dir, err)
	}
	return openError(dir, disk.SyncDir(c.fs, c.fs.PathDir(dir)))
}
