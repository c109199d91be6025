package cli

import "github.com/mainstemdb/mainstem"

type deleteCmd struct {
	database
	Path             mainstem.Path      `arg:"" name:"GROUP/NAME" help:"The key."`
	ID               string             `name:"id" help:"ID of the transaction: within 24 hours, repeating the command with it changes nothing and prints the first result." placeholder:"ID"`
	IfUnchangedSince *mainstem.Position `help:"Only if nobody has written the key after this position." placeholder:"POSITION"`
}

// Help is shown below the flags.
func (*deleteCmd) Help() string {
	return `Deleting a key that does not exist succeeds: afterwards it is not there.

Examples:

    mainstem delete shop/greeting
    mainstem delete cart-7/owner --if-unchanged-since 17 --id leave-7`
}

func (c *deleteCmd) Run(e *env) (err error) {
	if err := full(c.Path, "key"); err != nil {
		return err
	}
	db, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	receipt, err := db.Group(c.Path.Group).Do(e.ctx, c.ID, func(tx *mainstem.Txn) error {
		if c.IfUnchangedSince != nil {
			tx.Require(mainstem.KeyUnchanged{Name: c.Path.Name, Since: *c.IfUnchangedSince})
		}
		tx.Delete(c.Path.Name)
		return nil
	})
	if err != nil {
		return err
	}
	return e.told(c.Path.Group, c.ID, receipt, "", false)
}
