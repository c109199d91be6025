package embedded

import (
	"context"
	"errors"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// Restore makes the database in dir from a backup: a copy of a database's
// directory, made while it was closed. The restored database begins a new
// incarnation and skips 2^40 positions, so that no position ever means two
// things; a token of what the backup does not have is answered HistoryLost
// (L1). The directory must not exist; it appears whole or not at all. The
// backup is not changed.
func Restore(ctx context.Context, backup, dir string, opts ...Option) error {
	c := defaults(opts)
	exists, err := disk.Exists(c.fs, dir)
	if err != nil {
		return openError(dir, err)
	}
	if exists {
		return advise(mainstem.Errorf(mainstem.Invalid, "%s exists", dir), "restore into a directory that does not exist yet")
	}
	if _, err := c.readManifest(c.fs.PathJoin(backup, manifestName)); err != nil {
		return err
	}
	partial := dir + disk.TempSuffix
	if err := c.fs.RemoveAll(partial); err != nil {
		return openError(partial, err)
	}
	if err := disk.CopyBetween(c.fs, backup, c.fs, partial); err != nil {
		return openError(partial, err)
	}
	return c.reopen(ctx, partial, dir, opts)
}

// InMemory opens a new database that keeps nothing: its receipts say that its
// promise is weak. It is for tests, examples, and data whose loss does not
// matter.
func InMemory(ctx context.Context, opts ...Option) (*DB, error) {
	c := defaults(opts)
	if c.readOnly {
		return nil, mainstem.Errorf(mainstem.Invalid, "a new database in memory cannot be read-only")
	}
	return c.inMemory(ctx)
}

// Inspect opens a database read-only and reports on every partition. It
// changes nothing. Close the database elsewhere first: no lock is taken, and
// reading files that another process changes can fail.
func Inspect(ctx context.Context, dir string, opts ...Option) (*Report, error) {
	db, err := Open(ctx, dir, append(opts, ReadOnly())...)
	if err != nil {
		return nil, err
	}
	r := &Report{Format: formatVersion, Database: db.node.Database().String(), Guarantees: db.node.Guarantees(), Partitions: db.node.Reports()}
	return r, db.Close()
}

// Verify opens a database read-only, replays every log from its beginning in
// the scratch directory (on the same file system), and compares the result with every recorded digest
// and with the stored state.
func Verify(ctx context.Context, dir, scratch string, progress func(partition int, index, last uint64), opts ...Option) ([]Verification, error) {
	db, err := Open(ctx, dir, append(opts, ReadOnly())...)
	if err != nil {
		return nil, err
	}
	found, err := db.node.Verify(ctx, scratchPart(defaults(opts).fs, scratch), progress)
	return found, errors.Join(err, db.Close())
}

// Verify does the same with this database, which goes on serving, as far as its log
// was when it is done. Progress may rest: verifying waits for it. The scratch directory,
// which is removed at the end, takes as much room as the state, or what changes in it
// while the log is replayed if it is on the same file system. A partition in which something
// is wrong is stopped (L12). A log that is trimmed meanwhile ends it with that error: it is
// to be tried again. It is not for a log that several nodes share, whose nodes compare
// their states by themselves.
func (d *DB) Verify(ctx context.Context, scratch string, progress func(partition int, index, last uint64)) ([]Verification, error) {
	part := scratchPart(d.fs, scratch)
	found, err := d.node.Verify(ctx, part, progress)
	return found, errors.Join(err, part.FS.RemoveAll(scratch))
}
