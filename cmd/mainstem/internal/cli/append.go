package cli

import (
	"fmt"

	"github.com/mainstemdb/mainstem"
)

type appendCmd struct {
	database
	Path   mainstem.Path `arg:"" name:"GROUP/STREAM" help:"The stream."`
	Data   *string       `arg:"" optional:"" name:"DATA" help:"The event's data; - reads standard input."`
	Type   string        `required:"" help:"The event's type, for example order.placed.v1." placeholder:"TYPE"`
	File   string        `help:"Read the data from a file; - is standard input." placeholder:"FILE"`
	Expect *uint64       `help:"Only if the stream has exactly this many events." placeholder:"N"`
	ID     string        `name:"id" help:"ID of the transaction: within 24 hours, repeating the command with it changes nothing and prints the first result." placeholder:"ID"`
}

// Help is shown below the flags.
func (*appendCmd) Help() string {
	return `Prints the number that the event has in its stream; numbers begin at 1.

Examples:

    mainstem append order-7/events '{"item":42}' --type order.placed.v1
    mainstem append order-7/events --type order.paid.v1 --file paid.json --expect 1
    echo hello | mainstem append chat/room - --type said --id message-9`
}

func (c *appendCmd) Run(e *env) (err error) {
	if err := full(c.Path, "stream"); err != nil {
		return err
	}
	data, err := e.oneOf("DATA", c.Data, c.File)
	if err != nil {
		return err
	}
	db, err := c.open(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	receipt, err := db.Group(c.Path.Group).Do(e.ctx, c.ID, func(tx *mainstem.Txn) error {
		if c.Expect != nil {
			tx.Require(mainstem.StreamLength{Stream: c.Path.Name, Length: *c.Expect})
		}
		tx.Append(c.Path.Name, mainstem.Event{Type: c.Type, Data: data})
		return nil
	})
	if err != nil {
		return err
	}
	result := first(receipt)
	return e.told(c.Path.Group, c.ID, receipt, fmt.Sprintf("event %d", result.Length), false)
}
