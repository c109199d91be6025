package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// snapshotsKept is how many snapshots a partition keeps. The log is trimmed
// only below the older one, so that one bad snapshot loses nothing.
const snapshotsKept = 2

const snapshotPrefix = "snapshot-"

// kept is one snapshot: a directory named by the index it ends in.
type kept struct {
	dir   string
	index uint64
}

func (p *partition) snapshots() ([]kept, error) {
	names, err := p.FS.List(p.Dir)
	if err != nil {
		return nil, err
	}
	var all []kept
	for _, name := range names {
		number, ok := strings.CutPrefix(name, snapshotPrefix)
		index, err := strconv.ParseUint(number, 10, 64)
		if ok && err == nil {
			all = append(all, kept{dir: p.FS.PathJoin(p.Dir, name), index: index})
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.index, b.index) })
	return all, nil
}

// Snapshot writes a snapshot of every partition, reads it back, and forgets
// those before the last two. With Config.Snapshots it puts them there as well.
func (n *Node) Snapshot(ctx context.Context) error {
	if n.cfg.ReadOnly {
		return mainstem.Errorf(mainstem.Denied, "the database is open read-only")
	}
	for _, p := range n.parts {
		if err := p.down(); err != nil {
			return err
		}
		if err := p.snapshot(ctx); err != nil {
			return p.damaged(typed(err, "a snapshot of partition %d", p.id))
		}
		if p.blobs() == nil {
			continue
		}
		if err := p.deposit(ctx); err != nil {
			return storeError(err, p.id)
		}
	}
	return nil
}

func (p *partition) snapshot(ctx context.Context) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	partial := p.FS.PathJoin(p.Dir, "partial-snapshot")
	if err := p.FS.RemoveAll(partial); err != nil {
		return err
	}
	if err := p.store.Checkpoint(partial); err != nil {
		return err
	}
	index, err := p.readBack(ctx, partial)
	if err != nil {
		return err
	}
	final := p.FS.PathJoin(p.Dir, fmt.Sprintf("%s%020d", snapshotPrefix, index))
	if exists, err := disk.Exists(p.FS, final); err != nil || exists {
		return cmp.Or(err, p.FS.RemoveAll(partial))
	}
	if err := p.FS.Rename(partial, final); err != nil {
		return err
	}
	if err := disk.SyncDir(p.FS, p.Dir); err != nil {
		return err
	}
	all, err := p.snapshots()
	if err != nil {
		return err
	}
	p.deposits.mu.Lock()
	pinned := p.deposits.pinned
	p.deposits.mu.Unlock()
	for _, old := range all[:max(0, len(all)-snapshotsKept)] {
		if old.index == pinned {
			continue
		}
		if err := p.FS.RemoveAll(old.dir); err != nil {
			return err
		}
	}
	if len(all) >= snapshotsKept {
		p.flushed.Store(all[len(all)-snapshotsKept].index)
	}
	return disk.SyncDir(p.FS, p.Dir)
}

// readBack verifies every row of a snapshot, and returns the index it ends in.
func (p *partition) readBack(ctx context.Context, dir string) (uint64, error) {
	s, err := store.Open(store.Config{FS: p.FS, Dir: dir, Memory: store.MinMemory, ReadOnly: true, Logger: p.logger})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := s.Verify(ctx); err != nil {
		return 0, err
	}
	tail, err := state.LoadTail(s.Rows())
	return tail.Head.Index, err
}

// Trim forgets the records that are older than the retention, as far as the
// older of two snapshots covers them.
func (n *Node) Trim(ctx context.Context) error {
	if n.cfg.ReadOnly {
		return mainstem.Errorf(mainstem.Denied, "the database is open read-only")
	}
	for _, p := range n.parts {
		if err := p.trim(ctx); err != nil {
			return typed(err, "trimming partition %d", p.id)
		}
	}
	return nil
}

func (p *partition) trim(ctx context.Context) error {
	if p.keepLog.Load() > 0 {
		return nil // whoever copies the log needs the places of its records, too
	}
	covered, err := p.covered(ctx)
	if err != nil || covered == 0 {
		return err
	}
	frozen, release, tail, err := p.reading()
	if err != nil {
		return err
	}
	defer release()
	now := p.age(tail)
	if covered, err = p.neededByNobody(frozen, tail, covered, now); err != nil || covered == 0 {
		return err
	}
	if covered, err = p.heldByArchive(frozen, tail, covered, now); err != nil || covered == 0 {
		return err
	}
	oldest, err := state.LastBefore(frozen, tail.Last, func(place state.Place) bool {
		return place.Head.Index <= covered && now.Sub(place.Age) > time.Duration(tail.Settings.Retain)
	})
	if err != nil || oldest == 0 {
		return err
	}
	place, ok, err := state.PlaceOf(frozen, oldest)
	if err != nil || !ok {
		return err
	}
	// The state must be durable beyond what the log is about to forget.
	if err := p.store.Flush(); err != nil {
		return err
	}
	if g := p.log(); g.slot(place.Head) > 0 {
		if err := g.Trim(ctx, g.slot(place.Head)); err != nil {
			return err
		}
		p.needed.Store(place.Head.Index)
	}
	if oldest = min(oldest, tail.OldestHorizon()); oldest == 0 {
		return nil
	}
	keep, ok, err := state.PlaceOf(frozen, oldest)
	if err != nil || !ok {
		return err
	}
	return p.change([]state.Write{state.ForgetPlaces(keep)}, nil)
}

// neededByNobody is the index up to which no node needs the log any more: on a
// shared log that is the lowest to which a node has its state on its disk, but for
// those that were away for too long. Only the node that wrote last trims it.
func (p *partition) neededByNobody(rows state.Rows, tail *state.Tail, covered uint64, now mainstem.LogAge) (uint64, error) {
	if !p.shared() {
		return covered, nil
	}
	if tail.Writer != p.node.cfg.Name {
		return 0, nil
	}
	for _, m := range tail.Members {
		if m.Name == p.node.cfg.Name || m.Flushed >= covered {
			continue
		}
		var err error
		if covered, err = p.heldBy(rows, tail, m.Flushed, covered, now); err != nil {
			return 0, err
		}
	}
	return covered, nil
}

// setAside keeps one damaged state for whoever wants to know what happened.
func (p *partition) setAside() error {
	aside := p.FS.PathJoin(p.Dir, "state-damaged")
	if err := p.FS.RemoveAll(aside); err != nil {
		return typed(err, "removing %s", aside)
	}
	if err := p.FS.Rename(p.stateDir(), aside); err != nil {
		return typed(err, "setting the damaged state aside as %s", aside)
	}
	return typed(disk.SyncDir(p.FS, p.Dir), "partition %d", p.id)
}

// rebuild puts the newest snapshot in the place of a state that is not there.
// Without a snapshot the log alone has everything, unless it was trimmed: then
// replay says so.
func (p *partition) rebuild(ctx context.Context) error {
	exists, err := disk.Exists(p.FS, p.stateDir())
	if err != nil || exists {
		return typed(err, "partition %d", p.id)
	}
	if there, err := disk.Exists(p.FS, p.Dir); err != nil || !there {
		return typed(err, "partition %d", p.id)
	}
	all, err := p.snapshots()
	if err != nil || len(all) == 0 {
		return typed(err, "partition %d", p.id)
	}
	newest := all[len(all)-1]
	if _, err := p.readBack(ctx, newest.dir); err != nil {
		return p.stateError(err)
	}
	p.logger.Warn("the state is missing and is rebuilt from a snapshot", "index", newest.index)
	return typed(disk.CopyDir(p.FS, newest.dir, p.stateDir()), "rebuilding the state of partition %d", p.id)
}
