package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// joins reports whether the partition can begin from a snapshot in a blob store.
func (p *partition) joins() bool { return p.blobs() != nil && !p.node.cfg.ReadOnly }

// catchUpFirst brings the state to the end of the log: from what it has, or, where it has
// nothing or the log no longer reaches back to it, from a snapshot in the blob store.
func (p *partition) catchUpFirst(ctx context.Context) error {
	var asked error
	if p.tail.Head.Index == 0 && p.joins() {
		_, asked = p.join(ctx)
		if errors.Is(asked, errOwnDisk) {
			return typed(asked, "partition %d begins from a snapshot", p.id)
		}
		if asked != nil {
			p.logger.Warn("the state is empty and the store of snapshots could not be asked: the log is read from its beginning", "err", asked)
		}
	}
	err := p.stand(ctx)
	if !errors.Is(err, journal.ErrTrimmed) || !p.joins() {
		return err
	}
	joined, failed := p.join(ctx)
	switch {
	case errors.Is(failed, errOwnDisk):
		return typed(failed, "partition %d begins from a snapshot", p.id)
	case failed != nil:
		return storeError(failed, p.id)
	case !joined:
		return err
	}
	return p.stand(ctx)
}

func (p *partition) loadTail() error {
	tail, err := state.LoadTail(p.store.Rows())
	if err != nil {
		return p.stateError(err)
	}
	p.tail = tail
	return nil
}

// join puts the newest snapshot that is whole, and whose last record this log has, in the
// place of the state, if it is newer. One that is not is told, and the one before is
// taken. It reports whether there was one.
func (p *partition) join(ctx context.Context) (bool, error) {
	blobs, log := p.blobs(), p.log()
	first, slot, err := oldest(ctx, log)
	if err != nil {
		return false, err
	}
	database := p.node.cfg.Database
	if first != nil {
		database = first.Database // a log that was moved to has an identity of its own
	}
	all, err := backup.List(ctx, blobs, database, uint32(p.id))
	if err != nil {
		return false, err
	}
	for _, r := range all {
		if r.Index <= p.tail.Head.Index {
			break
		}
		m, err := r.Load(ctx, blobs)
		if err == nil {
			err = begins(ctx, log, slot, database == log.id, m)
		}
		if err == nil {
			err = p.build(ctx, r, m)
		}
		if err == nil {
			p.logger.Info("the state begins from a snapshot", "snapshot", r, "index", m.Index, "rows", m.Rows)
			return true, ownDisk(p.replace())
		}
		if !errors.Is(err, blob.ErrCorrupt) && !errors.Is(err, blob.ErrMissing) && !errors.Is(err, errElsewhere) && !errors.Is(err, journal.ErrTrimmed) {
			return false, err
		}
		p.logger.Error("a snapshot is of no use; the one before it is taken, if there is one", "snapshot", r, "err", err)
	}
	return false, nil
}

// begins checks that the log has the record that a snapshot ends in: what is of another
// log, or older than what the log has forgotten, is not worth reading (L2).
// Its slot says where, unless the log was moved to.
func begins(ctx context.Context, log journal.Log, oldest uint64, own bool, m *backup.Manifest) error {
	head, err := m.Head()
	if err != nil {
		return err
	}
	from := max(oldest, 1)
	if own {
		from = max(from, head.Slot)
	}
	_, err = find(ctx, log, from, head)
	return err
}

const joiningDir = "joining"

// errOwnDisk marks what went wrong on this node's disk and not in the store of blobs.
var errOwnDisk = errors.New("on this node's disk")

func ownDisk(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errOwnDisk, err)
}

// build makes a state of a snapshot, beside the one there is.
func (p *partition) build(ctx context.Context, r backup.Ref, m *backup.Manifest) error {
	partial := p.FS.PathJoin(p.Dir, joiningDir)
	if err := p.FS.RemoveAll(partial); err != nil {
		return ownDisk(err)
	}
	s, err := store.Open(store.Config{FS: p.FS, Dir: partial, Memory: p.node.cfg.share(60), Logger: p.logger})
	if err != nil {
		return ownDisk(err)
	}
	var fetched error
	err = s.Load(func(put func(state.Row) error) error {
		fetched = backup.Read(ctx, p.blobs(), r, m, func(row state.Row) error { return ownDisk(put(row)) })
		return fetched
	})
	switch {
	case err != nil && fetched == nil:
		err = ownDisk(err)
	case err == nil:
		err = ends(s.Rows(), m)
	}
	if closed := s.Close(); closed != nil {
		return errors.Join(ownDisk(closed), err)
	}
	return err
}

// ends checks that rows are of the state that a manifest describes.
func ends(rows state.Rows, m *backup.Manifest) error {
	tail, err := state.LoadTail(rows)
	if err != nil {
		return errors.Join(blob.ErrCorrupt, err)
	}
	head, err := m.Head()
	if err != nil {
		return err
	}
	if tail.Head != head || tail.Partition != m.Partition {
		return errors.Join(blob.ErrCorrupt, mainstem.Errorf(mainstem.Corrupt, "a snapshot's rows end in record %d of partition %d, its manifest says %d of %d (L2)", tail.Head.Index, tail.Partition, m.Index, m.Partition))
	}
	return nil
}

// replace puts what build has made in the place of the state, in one step, and forgets
// the snapshots of this node: the log no longer reaches back to them, or they are of no
// more use.
func (p *partition) replace() error {
	before := p.store
	p.store = nil
	if err := before.Close(); err != nil {
		return err
	}
	aside := p.FS.PathJoin(p.Dir, "state-behind")
	if err := p.FS.RemoveAll(aside); err != nil {
		return err
	}
	all, err := p.snapshots()
	if err != nil {
		return err
	}
	for _, old := range all {
		if err := p.FS.RemoveAll(old.dir); err != nil {
			return err
		}
	}
	if err := p.FS.Rename(p.stateDir(), aside); err != nil {
		return err
	}
	if err := p.FS.Rename(p.FS.PathJoin(p.Dir, joiningDir), p.stateDir()); err != nil {
		return err
	}
	if err := disk.SyncDir(p.FS, p.Dir); err != nil {
		return err
	}
	if err := p.FS.RemoveAll(aside); err != nil {
		return err
	}
	if err := p.openState(); err != nil {
		return p.stateError(err)
	}
	return p.loadTail()
}
