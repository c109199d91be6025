package cli

import (
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
)

type inspectCmd struct {
	directory
}

// Help is shown below the flags.
func (*inspectCmd) Help() string {
	return `Says what an acknowledgement means here, and for each partition where it is: last and oldest position, incarnation, log age, remembered IDs, snapshots, and how much time clocks may still add. The files are not changed, and need not be writable; close the database elsewhere first. A damaged partition is exit code 6.

Examples:

    mainstem inspect
    mainstem inspect --dir ./copy --json`
}

func (c *inspectCmd) Run(e *env) (err error) {
	if err := c.exists(); err != nil {
		return err
	}
	report, err := embedded.Inspect(e.ctx, c.path(), embedded.Memory(memory))
	if err != nil {
		return err
	}
	if e.json {
		err = e.object(report)
	} else {
		e.describe(report)
	}
	for _, p := range report.Partitions {
		if p.Error != "" && err == nil {
			err = damaged("partition %d of %s: %s", p.Partition, c.path(), p.Error)
		}
	}
	return err
}

// damaged is what a check of the files found.
func damaged(format string, args ...any) error {
	e := mainstem.Errorf(mainstem.Corrupt, format, args...)
	return &problem{Code: e.Code.String(), Message: e.Message, Advice: e.Help(), exit: exitDamaged}
}

func (e *env) describe(r *embedded.Report) {
	e.field("database", r.Database)
	e.field("format", r.Format)
	e.field("engine", r.Guarantees.Engine)
	e.field("synced before acknowledged", r.Guarantees.Synced)
	e.field("can lose", r.Guarantees.Loses)
	for _, weak := range r.Guarantees.Weak {
		e.field("weak", weak)
	}
	for i := range r.Partitions {
		e.partition(&r.Partitions[i])
	}
}

func (e *env) field(label string, value any) { fmt.Fprintf(e.out, "%-28s %v\n", label, value) }

func (e *env) partition(p *node.Report) {
	fmt.Fprintf(e.out, "\npartition %d\n", p.Partition)
	if p.Error != "" {
		e.field("  error", p.Error)
		return
	}
	e.field("  last position", p.Position)
	e.field("  oldest position kept", p.Oldest)
	e.field("  every key readable since", p.Horizon)
	e.field("  last record", p.Index)
	e.field("  its hash", p.Hash)
	e.field("  its time", p.Wall.UTC().Format(time.RFC3339))
	e.field("  log age", time.Duration(p.Age).Round(time.Second))
	e.field("  time clocks may still add", p.LeapLeft)
	e.field("  incarnation", fmt.Sprintf("%016x", uint64(p.Incarnation)))
	e.field("  remembered IDs", p.IDs)
	e.field("  snapshots at records", p.Snapshots)
}
