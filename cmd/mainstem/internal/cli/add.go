package cli

import "github.com/mainstemdb/mainstem"

type addCmd struct {
	database
	Path    mainstem.Path `arg:"" name:"GROUP/NAME" help:"The counter; it begins at 0."`
	Delta   int64         `arg:"" name:"DELTA" help:"What to add; negative to take away."`
	Floor   *int64        `help:"Fail rather than end below this." placeholder:"N"`
	Ceiling *int64        `help:"Fail rather than end above this." placeholder:"N"`
	ID      string        `name:"id" help:"ID of the transaction: within 24 hours, repeating the command with it changes nothing and prints the first result." placeholder:"ID"`
}

// Help is shown below the flags.
func (*addCmd) Help() string {
	return `Prints the counter afterwards. A bound that would be passed is exit code 4, and nothing is written.

Examples:

    mainstem add item-42/stock 100
    mainstem add item-42/stock -1 --floor 0 --id order-7
    mainstem add room-3/guests 1 --ceiling 20`
}

func (c *addCmd) Run(e *env) (err error) {
	if err := full(c.Path, "counter"); err != nil {
		return err
	}
	db, err := c.open(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	receipt, err := db.Group(c.Path.Group).Do(e.ctx, c.ID, func(tx *mainstem.Txn) error {
		tx.Operate(mainstem.Add{Name: c.Path.Name, Delta: c.Delta, Floor: c.Floor, Ceiling: c.Ceiling})
		return nil
	})
	if err != nil {
		return err
	}
	result := first(receipt)
	return e.told(c.Path.Group, c.ID, receipt, decimal(result.Counter), true)
}

// first is the result of the first operation. A replayed ID may have been
// another kind of transaction, one without any.
func first(r *mainstem.Receipt) mainstem.Result {
	if len(r.Results) == 0 {
		return mainstem.Result{}
	}
	return r.Results[0]
}
