package mainstemtest

import (
	"context"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// Disk is the faulty disk under a database of OpenFaulty. It is sound until
// told otherwise. A database that meets an error of its log stops; Heal the
// disk and Reopen it.
type Disk struct {
	faults *disk.Faults
	opts   []embedded.Option

	mu   sync.Mutex
	hung chan struct{}
}

// OpenFaulty opens an empty database in memory, on a disk that fails on
// command. The test's cleanup closes it.
func OpenFaulty(t testing.TB, opts ...embedded.Option) (*embedded.DB, *Disk) {
	t.Helper()
	d := &Disk{faults: disk.NewFaults(disk.NewMem()), opts: opts}
	// Cleanups run last in, first out: the disk works again before the close.
	db := open(t, d.faults, opts)
	t.Cleanup(d.Heal)
	return db, d
}

// Fail makes every read, write and sync from now on fail with an input/output
// error.
func (d *Disk) Fail() {
	d.faults.Inject(disk.Fault{Kind: disk.OpRead | disk.OpWrite | disk.OpSync, Err: disk.ErrIO, Stays: true})
}

// FailNextSync makes one sync fail: what was written before it may or may not
// be there.
func (d *Disk) FailNextSync() {
	d.faults.Inject(disk.Fault{Kind: disk.OpSync, Err: disk.ErrIO})
}

// Fill makes every write and every new file fail, as on a full disk; reads go on.
func (d *Disk) Fill() {
	d.faults.Inject(disk.Fault{Kind: disk.OpWrite | disk.OpCreate, Err: disk.ErrFull, Stays: true})
}

// Hang makes every sync from now on wait until Heal. Nothing may be
// acknowledged meanwhile (L4).
func (d *Disk) Hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hung == nil {
		d.hung = make(chan struct{})
	}
	d.faults.Inject(disk.Fault{Kind: disk.OpSync, Hang: d.hung, Stays: true})
}

// Heal ends every fault; what hangs goes on.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults.Heal()
	if d.hung != nil {
		close(d.hung)
		d.hung = nil
	}
}

// Reopen opens the database on this disk again, after the one before was
// closed. The test's cleanup closes it.
func (d *Disk) Reopen(ctx context.Context, t testing.TB) (*embedded.DB, error) {
	t.Helper()
	opts := append([]embedded.Option{embedded.Memory(memory), embedded.SegmentSize(segment), embedded.OnDisk(d.faults)}, d.opts...)
	db, err := embedded.Open(ctx, dir, opts...)
	if err == nil {
		t.Cleanup(func() { _ = db.Close() }) // the test has seen, or caused, what it says
	}
	return db, err
}
