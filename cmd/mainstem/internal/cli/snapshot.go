package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/bloburl"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/internal/record"
)

// storing is where a server keeps snapshots and records outside of its directory.
type storing struct {
	Snapshots bloburl.URL `help:"Keep the last two snapshots of each partition in this store, a directory dir://PATH, a bucket s3://HOST/BUCKET, or beside a log; a cluster has them beside its log unless chosen." key:"snapshots" env:"MAINSTEM_SNAPSHOTS" placeholder:"URL"`
	Archive   bloburl.URL `help:"Copy every record into this store, so that with snapshots there any moment can be restored; nowhere unless chosen." key:"archive" env:"MAINSTEM_ARCHIVE" placeholder:"URL"`
}

// options open the stores; what they return is to be closed after the database.
func (s storing) options(ctx context.Context) (opts []embedded.Option, open stores, err error) {
	for _, of := range []struct {
		url    bloburl.URL
		option func(blob.Store) embedded.Option
	}{{s.Snapshots, embedded.Snapshots}, {s.Archive, embedded.Archive}} {
		if of.url.String() == "" {
			continue
		}
		store, err := of.url.Open(ctx)
		if err != nil {
			return nil, open, err
		}
		open, opts = append(open, store), append(opts, of.option(store))
	}
	return opts, open, nil
}

// stores are open ones.
type stores []*bloburl.Store

func (s stores) closing(err *error) {
	for _, one := range s {
		closing(one, err)
	}
}

type snapshotCmd struct {
	directory
	To bloburl.URL `help:"Store to put the snapshot into: a directory dir://PATH, a bucket s3://HOST/BUCKET, or the log of a cluster." required:"" placeholder:"URL"`
}

// Help is shown below the flags.
func (*snapshotCmd) Help() string {
	return `Writes a snapshot of every partition into a store and reads it back there; the last two are kept. No other process may have the database open: a server makes snapshots itself, with serve --snapshots. What it was interrupted at, a second run goes on with, as long as nothing was written since.

Examples:

    mainstem snapshot --to dir://backups
    mainstem snapshot --dir ./copy --to dir:///mnt/backups --json`
}

func (c *snapshotCmd) Run(e *env) (err error) {
	if err := c.exists(); err != nil {
		return err
	}
	store, err := c.To.Open(e.ctx)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	db, err := embedded.Open(e.ctx, c.path(), embedded.Memory(memory), embedded.Snapshots(store))
	if err != nil {
		return advised(err, "give this process the right to write there")
	}
	defer closing(db, &err)
	if err := db.Snapshot(e.ctx); err != nil {
		return err
	}
	return e.snapshots(store, db.Database())
}

// snapshotJSON is a snapshot in a store.
type snapshotJSON struct {
	Database  string            `json:"database"`
	Partition int               `json:"partition"`
	Index     mainstem.Position `json:"index"`
	Position  mainstem.Position `json:"position"`
	Wall      time.Time         `json:"wall"`
	Rows      int64             `json:"rows"`
	Bytes     int64             `json:"bytes"`
}

// snapshots prints the newest of each partition.
func (e *env) snapshots(store blob.Store, database string) error {
	var id record.UUID
	if _, err := hex.Decode(id[:], []byte(database)); err != nil {
		return err
	}
	for i, count := 0, 1; i < count; i++ {
		all, err := backup.Latest(e.ctx, store, id, uint32(i))
		if err != nil {
			return err
		}
		if len(all) == 0 || all[0].Err != nil {
			return damaged("the newest snapshot of partition %d cannot be read", i)
		}
		m := all[0].Manifest
		count = int(m.Partitions)
		s := snapshotJSON{
			Database: m.Database, Partition: i, Index: mainstem.Position(m.Index), Position: m.Position,
			Wall: time.Unix(0, m.Wall).UTC(), Rows: m.Rows, Bytes: m.Bytes,
		}
		if e.json {
			err = e.object(s)
		} else {
			_, err = fmt.Fprintf(e.out, "partition %d: up to position %s of %s, %s, %d bytes\n", i, s.Position, s.Wall.Format(time.RFC3339), counted(int(s.Rows), "row"), s.Bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
