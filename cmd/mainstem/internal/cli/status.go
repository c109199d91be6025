package cli

import (
	"cmp"
	"strings"

	"github.com/mainstemdb/mainstem"
)

type statusCmd struct {
	service
}

// Help is shown below the flags.
func (*statusCmd) Help() string {
	return `Asks a server what its database is, what an acknowledgement means there, and whether calls should come to it. One that is not ready is exit code 5. A directory is described by inspect.

Examples:

    mainstem status
    mainstem status --server http://127.0.0.1:7171 --json`
}

func (c *statusCmd) Run(e *env) (err error) {
	c.Server = cmp.Or(c.Server, localServer)
	db, err := c.client("")
	if err != nil {
		return err
	}
	defer closing(db, &err)
	s, err := db.Status(e.ctx)
	if err != nil {
		return err
	}
	if e.json {
		err = e.object(s)
	} else {
		e.field("server", s.Server)
		e.field("ready", s.Ready)
		if s.Node != "" {
			e.field("node", s.Node)
		}
		if s.Zone != "" {
			e.field("zone", s.Zone)
		}
		e.field("engine", s.Engine)
		e.field("synced before acknowledged", s.Synced)
		e.field("can lose", s.Loses)
		for _, weak := range s.Weak {
			e.field("weak", weak)
		}
	}
	if err == nil && !s.Ready {
		reason, _ := strings.CutPrefix(s.Reason, mainstem.Unavailable.String()+": ")
		return mainstem.Errorf(mainstem.Unavailable, "%s is not ready: %s", s.Server, reason)
	}
	return err
}
