package cli

import (
	"fmt"

	"github.com/mainstemdb/mainstem"
)

type scanCmd struct {
	readable
	point
	Path  *mainstem.Path `arg:"" optional:"" name:"GROUP/PREFIX" help:"The group, and what its keys begin with. Without it the groups are listed."`
	Limit int            `help:"Stop after this many; without it, print all." placeholder:"N"`
}

// Help is shown below the flags.
func (*scanCmd) Help() string {
	return `Prints name, value and position of each key in order of names, from one frozen view; values are cut and quoted to fit a line, --json has them whole.

Examples:

    mainstem scan
    mainstem scan shop/
    mainstem scan shop/cart- --limit 20
    mainstem scan shop/ --at 17 --json`
}

func (c *scanCmd) Run(e *env) (err error) {
	if c.Limit < 0 {
		return misused("give a number above 0, or leave it out", "--limit is %d", c.Limit)
	}
	db, err := c.openToRead(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	if c.Path == nil {
		return c.groups(e, db)
	}
	view, err := db.Group(c.Path.Group).View(e.ctx, c.consistency())
	if err != nil {
		return err
	}
	defer closing(view, &err)
	from, to := mainstem.Prefix(c.Path.Name)
	seen := 0
	for v, err := range view.Scan(e.ctx, from, to) {
		if err != nil {
			return err
		}
		if err := c.print(e, v, view.Stamp().Age); err != nil {
			return err
		}
		if seen++; seen == c.Limit {
			break
		}
	}
	return nil
}

func (c *scanCmd) print(e *env, v mainstem.Version, now mainstem.LogAge) error {
	if e.json {
		return e.object(versionOf(c.Path.Group, v, now))
	}
	_, err := fmt.Fprintf(e.out, "%-24s %-40s %s\n", mainstem.Path{Group: c.Path.Group, Name: v.Name}, brief(v.Value), v.Position)
	return err
}

// brief is a value that fits a line of a terminal.
func brief(v mainstem.Value) string {
	if v.Counter {
		return v.String()
	}
	const most = 60
	if len(v.Bytes) > most {
		return fmt.Sprintf("%.*q… (%d bytes)", most, v.Bytes, len(v.Bytes))
	}
	return fmt.Sprintf("%q", v.Bytes)
}

func (c *scanCmd) groups(e *env, db *mainstem.DB) (err error) {
	cut, err := db.Cut(e.ctx, c.consistency())
	if err != nil {
		return err
	}
	defer closing(cut, &err)
	seen := 0
	for name, err := range cut.Groups(e.ctx) {
		if err != nil {
			return err
		}
		if e.json {
			err = e.object(map[string]string{"group": name})
		} else {
			_, err = fmt.Fprintln(e.out, mainstem.Path{Group: name})
		}
		if err != nil {
			return err
		}
		if seen++; seen == c.Limit {
			break
		}
	}
	return nil
}
