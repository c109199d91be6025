package cli

import (
	"fmt"

	"github.com/mainstemdb/mainstem"
)

type rewindCmd struct {
	database
	Path mainstem.Path     `arg:"" name:"GROUP/PREFIX" help:"The group, and what its keys begin with."`
	To   mainstem.Position `required:"" help:"The position whose state is written back." placeholder:"POSITION"`
	ID   string            `name:"id" required:"" help:"ID of the rewind: repeated with it, a rewind that was cut off continues." placeholder:"ID"`
}

// Help is shown below the flags.
func (*rewindCmd) Help() string {
	return `Keys that changed after the position are written back to what they were, as new transactions: nothing is erased, and a rewind can itself be rewound. Streams, leases, IDs and cursors stay as they are. The position must still be in the history kept, else exit code 3. Which one it was before an accident: mainstem feed --group GROUP has position and time of every write; mainstem get --at POSITION looks at it first.

Examples:

    mainstem rewind shop/cart- --to 17 --id undo-bad-import
    mainstem rewind shop/ --to 17 --id undo-everything --json`
}

func (c *rewindCmd) Run(e *env) (err error) {
	db, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	done, err := db.Group(c.Path.Group).Rewind(e.ctx, c.ID, c.Path.Name, c.To)
	if err != nil {
		return fmt.Errorf("rewind of %s (the same --id continues it): %w", c.Path, err)
	}
	if e.json {
		return e.object(map[string]any{
			"group": c.Path.Group, "prefix": c.Path.Name, "to": c.To, "id": c.ID,
			"steps": done.Steps, "keys": done.Keys, "overtaken": done.Overtaken, "token": done.Token,
		})
	}
	_, err = fmt.Fprintf(e.out, "%s of %s written back to position %s in %s; %d had been written meanwhile\n",
		counted(done.Keys, "key"), c.Path, c.To, counted(done.Steps, "transaction"), done.Overtaken)
	return err
}
