package cli

import (
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/bloburl"
	"github.com/mainstemdb/mainstem/embedded"
)

// source is a store that a database is to be restored from.
type source struct {
	From     bloburl.URL `help:"Store that has the snapshots, and the archive, if there is one." required:"" placeholder:"URL"`
	Database string      `help:"Which one, where the store has several." placeholder:"ID"`
}

type restoreCmd struct {
	source
	To    string             `help:"Directory to restore into, which must not exist." required:"" placeholder:"DIR"`
	Until *mainstem.Position `help:"Restore up to this position, as put, scan and feed print it, of a database of one partition; needs an archive." placeholder:"POSITION" xor:"until"`
	Time  *time.Time         `help:"Restore what was written before this time, for example 2026-11-22T10:00:00Z; needs an archive." placeholder:"TIME" xor:"until"`
}

// Help is shown below the flags.
func (*restoreCmd) Help() string {
	return `Takes the newest snapshot that is whole, and the records that the archive has after it, up to the end or up to --until or --time. Records are restored whole: the last is one that ends at or before the position. The directory appears whole or not at all, and everything that is read is held to its hash.

The restored database begins a new incarnation and skips 2^40 positions, so that no position means two things; a client with a token of what was not restored is told history_lost. IDs, leases and cursors are as they were. To serve it from a cluster, move it there.

Examples:

    mainstem restore --from dir://backups --to ./restored
    mainstem restore --from dir://backups --to ./restored --time 2026-11-22T10:00:00Z
    mainstem restore --from 'postgres://node@db1/shop' --to ./restored --until 4711 --json`
}

func (c *restoreCmd) Run(e *env) (err error) {
	store, err := c.From.Open(e.ctx)
	if err != nil {
		return err
	}
	defer closing(store, &err)
	r := embedded.Recovery{From: store, Database: c.Database}
	if c.Until != nil {
		r.Position = *c.Until
	}
	if c.Time != nil {
		r.Time = *c.Time
	}
	found, err := embedded.RestoreFrom(e.ctx, r, c.To, embedded.Memory(memory))
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := e.restored(p); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) restored(p embedded.Restored) error {
	if e.json {
		return e.object(p)
	}
	for _, what := range p.PassedOver {
		if _, err := fmt.Fprintf(e.err, "partition %d: passed over: %s\n", p.Partition, what); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(e.out, "partition %d: restored up to position %s, of %s: %s of a snapshot, %s of the archive\n",
		p.Partition, p.Position, p.Wall.Format(time.RFC3339Nano), counted(int(p.Rows), "row"), counted(p.Records, "record"))
	return err
}
