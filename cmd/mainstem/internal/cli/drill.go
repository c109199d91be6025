package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/journal"
)

type drillCmd struct {
	source
}

// Help is shown below the flags.
func (*drillCmd) Help() string {
	return `Does all that a restore does, into a temporary directory (TMPDIR) that it removes: reads every snapshot in the store and the archive after each, restores, and replays what the archive has against every digest that was recorded. It changes nothing of the store, and needs room for three copies of the state. Any damage is exit code 6, also where a restore would have passed over it.

A backup that was never restored is a hope: run this every day.

Examples:

    mainstem drill --from dir://backups
    mainstem drill --from dir:///mnt/backups --json`
}

// drillJSON is what a drill has found.
type drillJSON struct {
	Sound        bool                `json:"sound"`
	Snapshots    int                 `json:"snapshots"`
	Records      int                 `json:"records"`
	Transactions uint64              `json:"transactions"`
	Digests      int                 `json:"digests"`
	Rows         int64               `json:"rows"`
	Seconds      float64             `json:"seconds"`
	Partitions   []embedded.Restored `json:"partitions"`
	Problems     []string            `json:"problems"`
}

func (c *drillCmd) Run(e *env) (err error) {
	began := time.Now()
	store, err := c.From.Open(e.ctx)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	scratch, err := os.MkdirTemp("", "mainstem-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	found := drillJSON{Problems: []string{}, Partitions: []embedded.Restored{}}
	at := filepath.Join(scratch, "restored")
	restored, err := embedded.RestoreFrom(e.ctx, embedded.Recovery{From: store, Database: c.Database}, at, embedded.Memory(memory))
	switch {
	case mainstem.CodeOf(err) == mainstem.Corrupt:
		found.Problems = append(found.Problems, err.Error())
	case err != nil:
		return err
	default:
		if err := found.check(e, at, scratch, restored); err != nil {
			return err
		}
	}
	if err := found.snapshots(e, c); err != nil {
		return err
	}
	found.Sound, found.Seconds = len(found.Problems) == 0, time.Since(began).Seconds()
	if err := found.tell(e); err != nil {
		return err
	}
	if !found.Sound {
		return damaged("%s does not restore as it should: %s", c.From, found.Problems[0])
	}
	return nil
}

// check verifies what was restored.
func (d *drillJSON) check(e *env, at, scratch string, restored []embedded.Restored) error {
	for _, p := range restored {
		d.Partitions = append(d.Partitions, p)
		d.Rows, d.Records = d.Rows+p.Rows, d.Records+p.Records
		d.Problems = append(d.Problems, p.PassedOver...)
	}
	b := newBar(e, "drill", 0)
	verified, err := embedded.Verify(e.ctx, at, scratch, func(_ int, index, last uint64) {
		b.total = int(last)
		b.show(int(index))
	}, embedded.Memory(memory))
	b.end()
	if err != nil {
		return err
	}
	for _, v := range verified {
		d.Transactions, d.Digests = d.Transactions+v.Transactions, d.Digests+v.Digests
		if v.Problem != "" {
			d.Problems = append(d.Problems, v.Problem)
		}
	}
	return nil
}

// snapshots reads all there are, not only those that a restore would use.
func (d *drillJSON) snapshots(e *env, c *drillCmd) (err error) {
	store, err := c.From.Open(e.ctx)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	databases, err := backup.Databases(e.ctx, store)
	if err != nil {
		return err
	}
	for _, id := range databases {
		if c.Database != "" && c.Database != fmt.Sprintf("%x", id[:]) {
			continue
		}
		for partition, count := 0, 1; partition < count; partition++ {
			all, err := backup.Latest(e.ctx, store, id, uint32(partition))
			if err != nil {
				return err
			}
			for _, l := range all {
				if l.Err == nil {
					count = int(l.Manifest.Partitions)
				}
				if err := d.read(e, store, l); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// read reads one snapshot, and the archive after it.
func (d *drillJSON) read(e *env, store blob.Store, l backup.Listed) error {
	problem := l.Err
	if problem == nil {
		problem = backup.Verify(e.ctx, store, l.Ref, l.Manifest)
	}
	d.Snapshots++
	if problem == nil {
		var head journal.Head
		if head, problem = l.Manifest.Head(); problem == nil {
			problem = backup.Records(e.ctx, store, l.Ref.Database, l.Ref.Partition, l.Ref.Incarnation, head, func(backup.Stored) error { return e.ctx.Err() })
		}
	}
	if e.ctx.Err() != nil {
		return e.ctx.Err()
	}
	if problem != nil {
		d.Problems = append(d.Problems, fmt.Sprintf("snapshot %s: %v", l.Ref, problem))
	}
	return nil
}

func (d *drillJSON) tell(e *env) error {
	if e.json {
		return e.object(d)
	}
	for _, p := range d.Partitions {
		if err := e.restored(p); err != nil {
			return err
		}
	}
	for _, what := range d.Problems {
		if _, err := fmt.Fprintf(e.out, "NOT SOUND: %s\n", what); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(e.out, "%s read, %s restored, %s replayed, %s compared, in %.1f s: %s\n", counted(d.Snapshots, "snapshot"), counted(int(d.Rows), "row"),
		counted(d.Records, "record"), counted(d.Digests, "digest"), d.Seconds, map[bool]string{true: "everything agrees", false: "NOT SOUND"}[d.Sound])
	return err
}
