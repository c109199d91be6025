package embedded

import (
	"encoding/hex"
	"errors"

	"github.com/mainstemdb/mainstem"
)

// matches checks that a directory and the logs given for it belong together.
func (c *config) matches(dir string, m manifest) error {
	switch {
	case c.shared == nil && m.Engine == "":
		return nil
	case c.shared == nil:
		return advise(mainstem.Errorf(mainstem.Invalid, "%s is a node's state; its log is on engine %s", dir, m.Engine),
			"open it with that log, or move the directory aside")
	// One of another identity it can have moved to: the state knows.
	case m.Database == hex.EncodeToString(c.shared.ID[:]) && m.Engine != c.shared.Guarantees.Engine:
		return mainstem.Errorf(mainstem.Invalid, "%s belongs to a log on engine %s, not %s", dir, m.Engine, c.shared.Guarantees.Engine)
	case m.Partitions != len(c.shared.Logs):
		return mainstem.Errorf(mainstem.Corrupt, "%s has %d partitions, the log %d", dir, m.Partitions, len(c.shared.Logs))
	}
	return nil
}

func (c *config) closeShared() error {
	if c.shared == nil {
		return nil
	}
	var errs []error
	for _, l := range c.shared.Logs {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
