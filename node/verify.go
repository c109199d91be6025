package node

import (
	"context"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// Verification is what replaying a partition's log from its beginning found.
type Verification struct {
	Partition    int               `json:"partition"`
	Records      uint64            `json:"records"`
	Transactions uint64            `json:"transactions"`
	First        mainstem.Position `json:"first"`
	Last         mainstem.Position `json:"last"`
	// Digests is how many recorded digests were compared with the replay.
	Digests int `json:"digests"`
	// Problem says what is wrong; empty when everything agrees.
	Problem string `json:"problem,omitempty"`
}

// Verify replays the log of every partition into a state of its own under
// scratch, comparing each recorded digest on the way and the stored state at
// the end. It changes nothing of the database. Progress is called with the
// index reached and the last one, again and again: whoever serves meanwhile may rest
// there. A partition of a database that serves is stopped where something is wrong (L12).
func (n *Node) Verify(ctx context.Context, scratch Part, progress func(partition int, index, last uint64)) ([]Verification, error) {
	var all []Verification
	for _, p := range n.parts {
		v := &verifier{p: p, found: Verification{Partition: p.id}}
		err := v.run(ctx, scratch, progress)
		if code := mainstem.CodeOf(err); err != nil && code != mainstem.Corrupt {
			return all, err
		}
		if err != nil {
			v.found.Problem = err.Error()
			if !n.cfg.ReadOnly {
				_ = p.damaged(err)
			}
		}
		all = append(all, v.found)
	}
	return all, nil
}

// besideMemory is what a replay takes beside a database that serves, in bytes.
const besideMemory = 16 << 20

// verifier replays one log.
type verifier struct {
	p     *partition
	found Verification
	store *store.Store
	tail  *state.Tail
	room  state.Room
	// asked is the digest taken after the last checkpoint record.
	asked record.Checkpoint
}

func (v *verifier) run(ctx context.Context, scratch Part, progress func(int, uint64, uint64)) error {
	if err := v.p.down(); err != nil {
		return err // it may not even have been opened
	}
	if err := v.base(ctx, scratch); err != nil {
		return typed(err, "partition %d", v.p.id)
	}
	defer v.store.Close()
	// Nearly all is replayed before the state is held: what is held takes room.
	if newest := v.p.newest.Load(); newest != nil {
		if err := v.replay(ctx, newest.tail, progress); err != nil {
			return err
		}
	}
	rows, release, tail, err := v.p.reading()
	if err != nil {
		return err
	}
	defer release()
	if err := v.replay(ctx, tail, progress); err != nil {
		return err
	}
	if v.tail.Head.Index != tail.Head.Index || v.tail.Head.Hash != tail.Head.Hash {
		return mainstem.Errorf(mainstem.Corrupt, "the log of partition %d ends in record %d, the state in record %d (L2)", v.p.id, v.tail.Head.Index, tail.Head.Index)
	}
	return v.compare(ctx, rows, tail, progress)
}

// replay goes on to a tail; what was written after it is not looked at.
func (v *verifier) replay(ctx context.Context, tail *state.Tail, progress func(int, uint64, uint64)) error {
	if v.tail.Head.Index >= tail.Head.Index {
		return nil
	}
	g := v.p.log()
	for entry, err := range g.Read(ctx, max(1, g.from(v.tail.Head.Index+1, v.tail.Head.Slot+1))) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return typed(err, "the log of partition %d", v.p.id)
		}
		if err := v.step(entry); err != nil {
			return typed(err, "record in slot %d of partition %d", entry.Slot, v.p.id)
		}
		progress(v.p.id, v.tail.Head.Index, tail.Head.Index)
		if v.tail.Head.Index == tail.Head.Index {
			return nil
		}
	}
	return nil
}

// base begins with nothing, or, where the log was trimmed, with the older snapshot.
func (v *verifier) base(ctx context.Context, scratch Part) error {
	dir := scratch.FS.PathJoin(scratch.Dir, "replayed")
	if err := scratch.FS.RemoveAll(dir); err != nil {
		return err
	}
	v.p.saving.Lock()
	defer v.p.saving.Unlock()
	kept, err := v.p.snapshots()
	if err != nil {
		return err
	}
	whole := false
	for _, err := range v.p.log().Read(ctx, 1) {
		whole = err == nil && v.p.log().base == 0
		break
	}
	if !whole && len(kept) > 0 {
		if err := v.copy(kept[0].dir, scratch.FS, dir); err != nil {
			return err
		}
	}
	memory := max(store.MinMemory, v.p.node.cfg.Memory/4)
	if !v.p.node.cfg.ReadOnly { // others need it
		memory = min(memory, besideMemory)
	}
	v.store, err = store.Open(store.Config{FS: scratch.FS, Dir: dir, Memory: memory, Logger: v.p.logger})
	if err != nil {
		return err
	}
	v.tail, err = state.LoadTail(v.store.Rows())
	return err
}

// copy takes a snapshot to begin with; its tables are linked where they can be.
func (v *verifier) copy(from string, target disk.FS, to string) error {
	if target == v.p.FS {
		return disk.CopyLinked(target, from, to, ".sst")
	}
	return disk.CopyBetween(v.p.FS, from, target, to)
}

func (v *verifier) step(entry journal.Entry) error {
	r, head, err := v.p.successor(v.store.Rows(), v.tail, entry)
	if err != nil || r == nil {
		return err
	}
	overlay := state.NewOverlay(v.store.Rows(), v.p.seed)
	v.tail, err = state.Replay(&v.room, overlay, nil, v.tail, r, head, func(w state.Write) { overlay.Put(w, r.Index) })
	if err != nil {
		return err
	}
	if err := v.store.Apply(overlay.Writes(r.Index)); err != nil {
		return err
	}
	v.found.Records++
	v.found.Transactions += uint64(len(r.Transactions))
	if v.found.First == 0 && len(r.Transactions) > 0 {
		v.found.First = r.First
	}
	v.found.Last = v.tail.Last
	if r.Checkpoint == nil {
		return nil
	}
	if c := r.Checkpoint; c.Settled != 0 && c.Settled == v.asked.Settled {
		v.found.Digests++
		if c.Digest != v.asked.Digest {
			return mainstem.Errorf(mainstem.Corrupt, "after record %d the range %d of the state had digest %x when it was written and has %x replayed (L12)",
				c.Settled, c.Range, c.Digest, v.asked.Digest)
		}
	}
	digest, err := state.Sweep(v.store.Rows(), v.tail, v.tail.AskedRange, ignore)
	v.asked = record.Checkpoint{Settled: r.Index, Range: v.tail.AskedRange, Digest: digest}
	return err
}

func ignore([]byte) error { return nil }

// compare compares the replayed state with the stored one, range by range.
func (v *verifier) compare(ctx context.Context, rows state.Rows, tail *state.Tail, progress func(int, uint64, uint64)) error {
	for number := range uint8(state.Ranges) {
		if err := ctx.Err(); err != nil {
			return err
		}
		stored, err := state.Sweep(rows, tail, number, ignore)
		if err != nil {
			return typed(err, "the state of partition %d", v.p.id)
		}
		replayed, err := state.Sweep(v.store.Rows(), v.tail, number, ignore)
		if err != nil {
			return err
		}
		if stored != replayed {
			return mainstem.Errorf(mainstem.Corrupt, "range %d of the stored state of partition %d has digest %x; replaying the log gives %x (L12)", number, v.p.id, stored, replayed)
		}
		progress(v.p.id, tail.Head.Index, tail.Head.Index)
	}
	return nil
}
