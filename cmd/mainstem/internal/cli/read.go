package cli

import (
	"fmt"

	"github.com/mainstemdb/mainstem"
)

type readCmd struct {
	readable
	point
	Path  mainstem.Path `arg:"" name:"GROUP/STREAM" help:"The stream."`
	After uint64        `help:"Begin after this event: after N comes N+1 first." placeholder:"N"`
	Limit int           `help:"Stop after this many; without it, print all." placeholder:"N"`
}

// Help is shown below the flags.
func (*readCmd) Help() string {
	return `Prints number, type and data of each event; --json has the position too. A stream without events is exit code 3, one without events after N prints nothing.

Examples:

    mainstem read order-7/events
    mainstem read order-7/events --after 2 --json
    mainstem read order-7/events --limit 10 --at 17`
}

func (c *readCmd) Run(e *env) (err error) {
	if err := full(c.Path, "stream"); err != nil {
		return err
	}
	if c.Limit < 0 {
		return misused("give a number above 0, or leave it out", "--limit is %d", c.Limit)
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
	length, err := view.Length(e.ctx, c.Path.Name)
	if err != nil {
		return err
	}
	if length == 0 {
		return notFound("check group and name", "no events in stream %s", c.Path)
	}
	seen := 0
	for event, err := range view.Events(e.ctx, c.Path.Name, c.After) {
		if err != nil {
			return err
		}
		if e.json {
			err = e.object(eventOf(event))
		} else {
			_, err = fmt.Fprintf(e.out, "%6d  %s  %s\n", event.Number, event.Type, plain(event.Data))
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

// plain is text as it is, and quoted where it would break the line.
func plain(b []byte) string {
	text, _ := textOr(b)
	if text == nil {
		return fmt.Sprintf("%q", b)
	}
	for _, r := range *text {
		if r < ' ' || r == 0x7f {
			return fmt.Sprintf("%q", b)
		}
	}
	return *text
}
