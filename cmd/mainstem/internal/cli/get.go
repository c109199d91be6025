package cli

import "github.com/mainstemdb/mainstem"

type getCmd struct {
	readable
	point
	Path mainstem.Path `arg:"" name:"GROUP/NAME" help:"The key."`
}

// Help is shown below the flags.
func (*getCmd) Help() string {
	return `The value is printed as it is, with a newline only on a terminal; a counter is printed in decimal, with a newline. An absent key is exit code 3.

Examples:

    mainstem get shop/greeting
    mainstem get item-42/stock --json
    mainstem get shop/greeting --at 17
    mainstem get shop/greeting --time 2026-11-22T10:00:00Z`
}

func (c *getCmd) Run(e *env) (err error) {
	if err := full(c.Path, "key"); err != nil {
		return err
	}
	db, err := c.openToRead(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	view, err := db.Group(c.Path.Group).View(e.ctx, c.consistency())
	if err != nil {
		return err
	}
	defer closing(view, &err)
	v, err := view.Get(e.ctx, c.Path.Name)
	if err != nil {
		return err
	}
	if !v.Exists {
		return notFound("see what is there: mainstem scan "+mainstem.Path{Group: c.Path.Group}.String(), "no key %s", c.Path)
	}
	if e.json {
		return e.object(versionOf(c.Path.Group, v, view.Stamp().Age))
	}
	return e.value(v.Value)
}

// value prints a value for get.
func (e *env) value(v mainstem.Value) error {
	_, err := e.out.WriteString(v.String())
	if err == nil && (v.Counter || e.outTerminal) {
		err = e.out.WriteByte('\n')
	}
	return err
}
