package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// A partition's snapshot goes into the blob store, from the node that writes the
// partition, once there are so many records since the one before, or they span so much
// log age, or so much log is unsaved (snapshotBytes). It is looked at with every
// checkpoint record.
const (
	DepositRecords = 1 << 20
	DepositEvery   = time.Hour // of log age
)

// deposits is what is known of the partition's snapshots in the blob store.
type deposits struct {
	mu     sync.Mutex
	known  bool            // the store was asked
	newest uint64          // index of the newest; 0 is none
	age    mainstem.LogAge // of its record
	// covered is the index of the older of two that this node has read back.
	covered uint64
	// pinned is the index of this node's own snapshot that is being copied.
	pinned  uint64
	copying sync.Mutex // over pinned, while a snapshot is copied

	due   chan struct{}
	ended chan struct{}
}

// forget is for another store, of which nothing is known.
func (d *deposits) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known, d.newest, d.age, d.covered = false, 0, 0, 0
}

func (d *deposits) init() { d.due, d.ended = make(chan struct{}, 1), make(chan struct{}) }

// stored are the snapshots in the blob store of the partition's incarnation, newest first.
func (p *partition) stored(ctx context.Context) ([]backup.Ref, error) {
	tail := p.applied()
	all, err := backup.List(ctx, p.blobs(), tail.Database, tail.Partition)
	return slices.DeleteFunc(all, func(r backup.Ref) bool { return r.Incarnation != tail.Incarnation }), err
}

// wakeDeposit begins a snapshot into the blob store if it is time.
func (p *partition) wakeDeposit(ctx context.Context, unsaved int64) {
	if p.blobs() == nil || !p.writes() {
		return
	}
	due, err := p.depositDue(ctx, unsaved)
	if err != nil && ctx.Err() == nil {
		p.logger.Warn("the store of snapshots could not be asked; it is asked again at the next checkpoint", "err", err)
	}
	if due {
		select {
		case p.deposits.due <- struct{}{}:
		default:
		}
	}
}

// lookAtDeposits asks the store, so that from the beginning on it is known how old the
// newest snapshot is.
func (p *partition) lookAtDeposits() {
	ctx, cancel := p.whileServing()
	defer cancel()
	p.wakeDeposit(ctx, 0)
}

// writes reports whether the applied state says that this node writes the partition.
func (p *partition) writes() bool { return !p.shared() || p.applied().Writer == p.node.cfg.Name }

func (p *partition) depositDue(ctx context.Context, unsaved int64) (bool, error) {
	d, tail := &p.deposits, p.applied()
	d.mu.Lock()
	known := d.known
	d.mu.Unlock()
	if !known {
		if damaged, err := p.askStore(ctx); err != nil {
			return damaged, err // a new one is the best answer to a damaged one
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return tail.Head.Index > d.newest &&
		(tail.Age.Sub(d.age) >= DepositEvery || tail.Head.Index-d.newest >= DepositRecords || unsaved >= snapshotBytes), nil
}

// askStore finds out which snapshot in the store is the newest. Whoever reads the
// figures does not wait for it.
func (p *partition) askStore(ctx context.Context) (damaged bool, err error) {
	all, err := p.stored(ctx)
	if err != nil {
		return false, err
	}
	var newest backup.Manifest
	if len(all) > 0 {
		m, err := all[0].Load(ctx, p.blobs())
		if err != nil {
			return true, err
		}
		newest = *m
	}
	d := &p.deposits
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known, d.newest, d.age = true, max(d.newest, newest.Index), max(d.age, newest.Age)
	return false, nil
}

// depositing writes snapshots into the blob store, beside everything else, until the
// partition stops. What goes wrong is tried again: only trimming, and with it space,
// depends on it.
func (p *partition) depositing() {
	defer close(p.deposits.ended)
	p.lookAtDeposits()
	for {
		select {
		case <-p.stopping:
			return
		case <-p.deposits.due:
		}
		ctx, cancel := p.whileServing()
		err := p.freshen(ctx)
		if err == nil {
			err = p.deposit(ctx)
		}
		if err == nil {
			err = p.trim(ctx)
		}
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, store.ErrCorrupt):
			p.storeFailed(err) // the copy shares its files with the state (L12)
		default:
			p.logger.Warn("a snapshot for the store failed; it is tried again at a later checkpoint", "err", err)
		}
		cancel()
	}
}

// freshen makes a snapshot of this node's own unless it has one that is newer than the
// newest in the blob store: then that is copied, and goes on where it was interrupted.
// One from before a restore is of the history that was given up: the archive of this
// one does not go on behind it (L1).
func (p *partition) freshen(ctx context.Context) error {
	all, err := p.snapshots()
	if err != nil {
		return err
	}
	p.deposits.mu.Lock()
	newest := p.deposits.newest
	p.deposits.mu.Unlock()
	if len(all) > 0 && all[len(all)-1].index > newest {
		tail, err := p.tailOf(all[len(all)-1])
		if err != nil || tail.Incarnation == p.applied().Incarnation {
			return err
		}
	}
	return p.snapshot(ctx)
}

// tailOf is where a snapshot of this node's own ends.
func (p *partition) tailOf(own kept) (*state.Tail, error) {
	s, err := store.Open(store.Config{FS: p.FS, Dir: own.dir, Memory: store.MinMemory, ReadOnly: true, Logger: p.logger})
	if err != nil {
		return nil, err
	}
	defer s.Close() // it was only read
	return state.LoadTail(s.Rows())
}

// deposit copies this node's newest snapshot into the blob store, reads it and the one
// before it back there, and forgets what is older.
func (p *partition) deposit(ctx context.Context) error {
	blobs := p.blobs()
	ref, m, err := p.copyTo(ctx, blobs)
	if err != nil || m == nil {
		return err
	}
	all, err := p.stored(ctx)
	if err != nil {
		return err
	}
	older := slices.DeleteFunc(all, func(r backup.Ref) bool { return r.Index >= ref.Index })
	good, _, bad := backup.Good(ctx, blobs, older, 1)
	p.told(bad)
	d := &p.deposits
	d.mu.Lock()
	d.known, d.newest, d.age, d.covered = true, m.Index, m.Age, 0
	if len(good) > 0 {
		d.covered = good[0].Index
	}
	d.mu.Unlock()
	if len(good) == 0 {
		return nil
	}
	return backup.Prune(ctx, blobs, good[0])
}

// copyTo copies this node's newest snapshot into a store; nil says that it has none.
func (p *partition) copyTo(ctx context.Context, blobs blob.Store) (backup.Ref, *backup.Manifest, error) {
	p.deposits.copying.Lock() // one snapshot at a time is kept for it
	defer p.deposits.copying.Unlock()
	own, err := p.pin()
	if err != nil || own.index == 0 {
		return backup.Ref{}, nil, err
	}
	defer p.unpin()
	s, err := store.Open(store.Config{FS: p.FS, Dir: own.dir, Memory: store.MinMemory, ReadOnly: true, Logger: p.logger})
	if err != nil {
		return backup.Ref{}, nil, err
	}
	defer s.Close() // it was only read
	tail, err := state.LoadTail(s.Rows())
	if err != nil {
		return backup.Ref{}, nil, err
	}
	last, err := p.recordOf(ctx, tail.Head)
	if err != nil {
		return backup.Ref{}, nil, err
	}
	return backup.Write(ctx, blobs, backup.Source{Rows: s.Rows(), Tail: tail, Record: last, Node: p.node.cfg.Name})
}

func (p *partition) told(bad []error) {
	for _, err := range bad {
		p.logger.Error("a snapshot in the store is of no use", "err", err)
	}
}

// pin finds this node's newest snapshot and keeps it from being forgotten.
func (p *partition) pin() (kept, error) {
	p.saving.Lock()
	defer p.saving.Unlock()
	all, err := p.snapshots()
	if err != nil || len(all) == 0 {
		return kept{}, err
	}
	newest := all[len(all)-1]
	p.deposits.mu.Lock()
	defer p.deposits.mu.Unlock()
	p.deposits.pinned = newest.index
	return newest, nil
}

func (p *partition) unpin() {
	p.deposits.mu.Lock()
	defer p.deposits.mu.Unlock()
	p.deposits.pinned = 0
}

// errElsewhere: a record is not in this log where it should be.
var errElsewhere = errors.New("the record is not in this log")

// recordOf reads a record of the chain from the log, as it is stored.
func (p *partition) recordOf(ctx context.Context, head journal.Head) ([]byte, error) {
	g := p.log()
	return find(ctx, g, max(1, g.slot(head)), head)
}

// find looks for a record from a slot on that is at or below its own.
func find(ctx context.Context, log journal.Log, from uint64, head journal.Head) ([]byte, error) {
	for entry, err := range log.Read(ctx, from) {
		if err != nil {
			return nil, err
		}
		h, err := record.Peek(entry.Record)
		if err != nil {
			return nil, err
		}
		if h.Index == head.Index && journal.Sum(entry.Record) == head.Hash {
			return entry.Record, nil
		}
		if h.Index > head.Index {
			break
		}
	}
	return nil, errElsewhere
}

// covered is the index up to which two snapshots have the state: on a shared log, two in
// the blob store that this node has read back, and none without a store, because a node
// that begins with nothing has no other.
func (p *partition) covered(ctx context.Context) (uint64, error) {
	if !p.shared() {
		all, err := p.snapshots()
		if err != nil || len(all) < snapshotsKept {
			return 0, err
		}
		return all[len(all)-snapshotsKept].index, nil
	}
	if p.blobs() == nil || !p.writes() {
		return 0, nil
	}
	p.deposits.mu.Lock()
	known := p.deposits.covered
	p.deposits.mu.Unlock()
	if known > 0 {
		return known, nil
	}
	all, err := p.stored(ctx)
	if err != nil {
		return 0, err
	}
	good, m, bad := backup.Good(ctx, p.blobs(), all, snapshotsKept)
	p.told(bad)
	if len(good) < snapshotsKept {
		return 0, nil
	}
	p.deposits.mu.Lock()
	defer p.deposits.mu.Unlock()
	p.deposits.newest, p.deposits.age = max(p.deposits.newest, m.Index), max(p.deposits.age, m.Age)
	p.deposits.covered = good[snapshotsKept-1].Index
	return p.deposits.covered, nil
}

// HeldRecords and holdTrim times the retention are how far a node that is away holds back
// what a shared log forgets. After that it begins anew from a snapshot.
const (
	HeldRecords = 1 << 20
	holdTrim    = 4
)

// holds reports whether a node that is so many records behind, and whose oldest record is
// so old, still holds the log back.
func holds(behind uint64, away, retain time.Duration) bool {
	return behind <= HeldRecords && away <= holdTrim*retain
}

// behindDeposit is how much newer the state is than the newest snapshot in the blob store,
// or, where it has none that this node knows of, than the log's beginning; -1 where there
// is no store, or another node writes.
func (p *partition) behindDeposit(tail *state.Tail) time.Duration {
	p.deposits.mu.Lock()
	defer p.deposits.mu.Unlock()
	if p.blobs() == nil || p.shared() && tail.Writer != p.node.cfg.Name {
		return -1
	}
	return max(0, tail.Age.Sub(p.deposits.age))
}

// storeError says of an error of a blob store what it means for whoever asked. Damage in
// it is none of the partition.
func storeError(err error, partition int) error {
	switch {
	case err == nil, mainstem.CodeOf(err) != 0:
		return err
	case errors.Is(err, blob.ErrCorrupt):
		e := mainstem.Errorf(mainstem.Unavailable, "partition %d: the store of snapshots: %w", partition, err)
		e.Advice = "the database is whole; look after the store, and make a new snapshot"
		return e
	default:
		return cmp.Or(typed(err, "partition %d: a snapshot in the store", partition), err)
	}
}
