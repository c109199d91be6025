package cli

import (
	"fmt"
	"os"

	"github.com/mainstemdb/mainstem/embedded"
)

type verifyLogCmd struct {
	directory
}

// Help is shown below the flags.
func (*verifyLogCmd) Help() string {
	return `Reads every record, checks its checksum and that it names its predecessor, replays the log from its beginning (or from the older snapshot, where it was trimmed) into a temporary directory, and compares the result with every recorded digest and with the stored state. The database is not changed; close it elsewhere first. It reads everything once, and needs room for a second copy of the state in the temporary directory (TMPDIR). Anything that does not agree is exit code 6.

Examples:

    mainstem verify-log
    mainstem verify-log --dir ./copy --json`
}

func (c *verifyLogCmd) Run(e *env) (err error) {
	if err := c.exists(); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "mainstem-verify-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	b := newBar(e, "verify", 0)
	found, err := embedded.Verify(e.ctx, c.path(), scratch, func(_ int, index, last uint64) {
		b.total = int(last)
		b.show(int(index))
	}, embedded.Memory(memory))
	b.end()
	if err != nil {
		return err
	}
	for _, v := range found {
		if e.json {
			err = e.object(v)
		} else {
			_, err = fmt.Fprintf(e.out, "partition %d: positions %s to %s in %s, %s compared: %s\n", v.Partition, v.First, v.Last,
				counted(int(v.Records), "record"), counted(v.Digests, "digest"), verdict(v.Problem))
		}
		if err != nil {
			return err
		}
	}
	for _, v := range found {
		if v.Problem != "" {
			return damaged("partition %d of %s does not verify: %s", v.Partition, c.path(), v.Problem)
		}
	}
	return nil
}

func verdict(problem string) string {
	if problem == "" {
		return "everything agrees"
	}
	return "NOT SOUND"
}
