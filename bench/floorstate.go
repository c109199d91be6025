package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// The floors are made of what Mainstem itself writes: a sample of its log is
// taken with as many clients, in the same visit.

// sample runs Mainstem's compare-and-set for that long, below the job's
// directory, and returns where.
func sample(ctx context.Context, job *Job, long time.Duration) (dir string, err error) {
	dir = filepath.Join(job.Dir, "sample")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	own := *job
	own.Peer, own.Dir, own.Kinds, own.Marked = "mainstem", dir, []peer.Kind{peer.CAS}, false
	s, err := openPeer(ctx, &own)
	if err != nil {
		return "", err
	}
	w, err := newWorkload(ctx, s, &own)
	if err == nil {
		_, err = load.Closed{Clients: job.Clients, For: max(long, 50*time.Millisecond)}.Run(ctx, w.call)
	}
	return dir, errors.Join(err, s.Close())
}

// recordSize is how many bytes Mainstem's log takes per record and transaction,
// frames and padding included: a straight line through its records.
func recordSize(ctx context.Context, job *Job) (peer.Record, error) {
	dir, err := sample(ctx, job, job.For/4)
	if err != nil {
		return peer.Record{}, err
	}
	var f fit
	for frame, err := range file.Inspect(disk.Default, logDir(dir)) {
		if err != nil {
			return peer.Record{}, err
		}
		if frame.Record == nil {
			continue
		}
		r, err := record.Decode(frame.Record)
		if err != nil {
			return peer.Record{}, err
		}
		if count, size := float64(r.Count), float64(frame.Size); count > 0 {
			f.add(count, size)
		}
	}
	if f.n == 0 {
		return peer.Record{}, errors.New("the sample has no records")
	}
	return f.record(), os.RemoveAll(dir)
}

// fit is a straight line through records, by least squares.
type fit struct{ n, x, y, xx, xy float64 }

func (f *fit) add(count, size float64) {
	f.n, f.x, f.y, f.xx, f.xy = f.n+1, f.x+count, f.y+size, f.xx+count*count, f.xy+count*size
}

// record is the line. Where large records make it begin below nothing, all
// bytes are the transactions'.
func (f *fit) record() peer.Record {
	size := peer.Record{Base: f.y / f.n}
	if spread := f.n*f.xx - f.x*f.x; spread > 0 {
		size.Each = (f.n*f.xy - f.x*f.y) / spread
		size.Base = (f.y - size.Each*f.x) / f.n
	}
	if size.Base < 0 {
		size = peer.Record{Each: f.y / f.x}
	}
	return size
}

// floorStateBytes bounds the sample that is held in memory.
const floorStateBytes = 1 << 30

// floorState applies the batches that Mainstem has written to its state, one per
// record, to fresh stores, without a log: nothing is synced but the tables, once they are written.
func floorState(ctx context.Context, job *Job) ([]Figure, error) {
	// As long as the visit: a short sample would end before the store has to
	// flush and merge, which Mainstem does not get to skip either.
	dir, err := sample(ctx, job, job.For)
	if err != nil {
		return nil, err
	}
	batches, transactions, err := batchesOf(dir)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	memory := job.Memory
	if memory == 0 {
		memory = embedded.DefaultMemory
	}
	f := Figure{Settings: map[string]string{
		"batches": fmt.Sprint(len(batches)), "transactions": fmt.Sprint(transactions), "memory": fmt.Sprintf("%d MiB, as Mainstem's state", memory*stateShare/100>>20),
		"history": "as Mainstem writes it", "log": "none", "sync": "of tables, as they are written",
	}}
	// The sample is a large heap, and looking through it again and again is no
	// work of the store's.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for f.Elapsed < job.For {
		took, err := applyAll(filepath.Join(job.Dir, "floor-state"), memory*stateShare/100, batches)
		if err != nil {
			return nil, err
		}
		f.Ops, f.Elapsed = f.Ops+transactions, f.Elapsed+took
	}
	return []Figure{f}, nil
}

// stateShare is the part of Mainstem's memory that its state has, in percent.
const stateShare = 60

func applyAll(dir string, memory int64, batches [][]state.Write) (took time.Duration, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return 0, err
	}
	s, err := store.Open(store.Config{FS: disk.Default, Dir: dir, Memory: memory})
	if err != nil {
		return 0, err
	}
	from := time.Now()
	for _, writes := range batches {
		if err := s.Apply(writes); err != nil {
			return 0, errors.Join(err, s.Close())
		}
	}
	// What is applied has to come into tables some time. Without waiting for that, a
	// sample that fits into the store's memory would show a floor that no disk has.
	if err := s.Flush(); err != nil {
		return 0, errors.Join(err, s.Close())
	}
	took = time.Since(from)
	return took, errors.Join(s.Close(), os.RemoveAll(dir))
}

// batchesOf replays a log and keeps what each record writes to the state.
func batchesOf(dir string) (batches [][]state.Write, transactions int64, err error) {
	scratch, err := store.Open(store.Config{FS: disk.NewMem(), Dir: "scratch", Memory: 64 << 20})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	tail, size := &state.Tail{}, 0
	var room state.Room
	for frame, err := range file.Inspect(disk.Default, logDir(dir)) {
		if err != nil {
			return nil, 0, err
		}
		if frame.Record == nil {
			continue
		}
		r, err := record.Decode(frame.Record)
		if err != nil {
			return nil, 0, err
		}
		overlay := state.NewOverlay(scratch.Rows(), 0)
		head := journal.Head{Index: r.Index, Hash: journal.Sum(frame.Record), Slot: r.Index}
		tail, err = state.Replay(&room, overlay, nil, tail, r, head, func(w state.Write) { overlay.Put(w, r.Index) })
		if err != nil {
			return nil, 0, err
		}
		put := overlay.Writes(r.Index)
		if err := scratch.Apply(put); err != nil {
			return nil, 0, err
		}
		batches, transactions = append(batches, put), transactions+int64(r.Count)
		if size += len(frame.Record) * 4; size > floorStateBytes { // a record's rows take about four times its bytes
			break
		}
	}
	if transactions == 0 {
		return nil, 0, mainstem.Errorf(mainstem.Invalid, "the sample has no transactions")
	}
	return batches, transactions, nil
}
