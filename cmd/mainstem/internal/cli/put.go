package cli

import (
	"time"

	"github.com/mainstemdb/mainstem"
)

type putCmd struct {
	database
	Path             mainstem.Path      `arg:"" name:"GROUP/NAME" help:"The key."`
	Value            *string            `arg:"" optional:"" name:"VALUE" help:"The value; - reads standard input."`
	ValueFile        string             `help:"Read the value from a file; - is standard input." placeholder:"FILE"`
	ID               string             `name:"id" help:"ID of the transaction: within 24 hours, repeating the command with it changes nothing and prints the first result." placeholder:"ID"`
	TTL              time.Duration      `name:"ttl" help:"Delete the key after at least this long, for example 36h." placeholder:"DURATION"`
	IfAbsent         bool               `help:"Only if the key does not exist." xor:"if"`
	IfUnchangedSince *mainstem.Position `help:"Only if nobody has written the key after this position." placeholder:"POSITION" xor:"if"`
}

// Help is shown below the flags.
func (*putCmd) Help() string {
	return `An existing key is overwritten. Without an ID the command makes one of its own; a script that may be cut off should give one, and repeat with the same.

Examples:

    mainstem put shop/greeting "good morning"
    mainstem put shop/logo --value-file logo.png
    mainstem put cart-7/owner anna --if-absent --id claim-7
    mainstem put shop/greeting "good evening" --if-unchanged-since 17
    mainstem put session-9/user anna --ttl 30m`
}

func (c *putCmd) Run(e *env) (err error) {
	if err := full(c.Path, "key"); err != nil {
		return err
	}
	value, err := c.value(e)
	if err != nil {
		return err
	}
	db, err := c.open(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	receipt, err := db.Group(c.Path.Group).Do(e.ctx, c.ID, func(tx *mainstem.Txn) error {
		if c.IfAbsent {
			tx.Require(mainstem.KeyAbsent{Name: c.Path.Name})
		}
		if c.IfUnchangedSince != nil {
			tx.Require(mainstem.KeyUnchanged{Name: c.Path.Name, Since: *c.IfUnchangedSince})
		}
		tx.PutFor(c.Path.Name, value, c.TTL)
		return nil
	})
	if err != nil {
		return err
	}
	return e.told(c.Path.Group, c.ID, receipt, "", false)
}

func (c *putCmd) value(e *env) ([]byte, error) {
	return e.oneOf("VALUE", c.Value, c.ValueFile)
}

// oneOf is the bytes given as an argument or in a file; neither or both is
// wrong usage, because a forgotten value would otherwise wait for a keyboard.
func (e *env) oneOf(noun string, argument *string, file string) ([]byte, error) {
	switch {
	case argument != nil && file != "":
		return nil, misused("give one of them", "%s is given as an argument and as a file", noun)
	case file != "":
		return e.input(file)
	case argument == nil:
		return nil, misused("give it as an argument, or as a file, or - for standard input", "%s is missing", noun)
	case *argument == "-":
		return e.input("-")
	default:
		return []byte(*argument), nil
	}
}
