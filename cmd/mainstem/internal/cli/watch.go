package cli

import (
	"fmt"

	"github.com/mainstemdb/mainstem"
)

type watchCmd struct {
	database
	Path mainstem.Path `arg:"" name:"GROUP/PREFIX" help:"The group, and what its keys begin with."`
}

// Help is shown below the flags.
func (*watchCmd) Help() string {
	return `Prints the keys that there are, and then every change of one, until interrupted, which is exit code 0: nothing in between is missed, because the feed begins where the first view was frozen. A key that was deleted or has expired has no value. Most useful with a server; it outlives restarts of that.

Examples:

    mainstem watch shop/
    mainstem watch shop/cart- --server http://127.0.0.1:7171 --json`
}

func (c *watchCmd) Run(e *env) (err error) {
	db, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	token, err := c.present(e, db)
	if err != nil {
		return err
	}
	from := mainstem.From{After: token, Match: mainstem.Match{Groups: []string{c.Path.Group}, NamePrefix: c.Path.Name}}
	return e.follow(db, from, c.Server != "", func(b mainstem.Batch) error {
		for i := range b.Changes {
			if err := c.change(e, &b.Changes[i]); err != nil {
				return err
			}
		}
		return e.out.Flush()
	})
}

// present prints the keys as they are, and returns what that has seen.
func (c *watchCmd) present(e *env, db *mainstem.DB) (token mainstem.Token, err error) {
	view, err := db.Group(c.Path.Group).View(e.ctx, mainstem.Latest())
	if err != nil {
		return token, err
	}
	defer closing(view, &err)
	from, to := mainstem.Prefix(c.Path.Name)
	for v, err := range view.Scan(e.ctx, from, to) {
		if err != nil {
			return token, err
		}
		if err := c.print(e, v); err != nil {
			return token, err
		}
	}
	return view.Stamp().Token, e.out.Flush()
}

// change prints the keys that a transaction has changed.
func (c *watchCmd) change(e *env, change *mainstem.Change) error {
	for _, effect := range change.Effects {
		v := mainstem.Version{Name: effect.Name, Position: change.Position}
		switch effect.Kind {
		case mainstem.EffectPut, mainstem.EffectAdd:
			v.Exists, v.Value = true, effect.Value
		case mainstem.EffectDelete, mainstem.EffectExpire:
		default:
			continue // no key
		}
		if len(effect.Name) < len(c.Path.Name) || effect.Name[:len(c.Path.Name)] != c.Path.Name {
			continue // another effect of the transaction is what matched
		}
		if err := c.print(e, v); err != nil {
			return err
		}
	}
	return nil
}

// watchJSON is a key as watch prints it.
type watchJSON struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	valueJSON
	Deleted  bool              `json:"deleted,omitempty"`
	Position mainstem.Position `json:"position"`
}

func (c *watchCmd) print(e *env, v mainstem.Version) error {
	if e.json {
		line := watchJSON{Group: c.Path.Group, Name: v.Name, Deleted: !v.Exists, Position: v.Position}
		if v.Exists {
			line.valueJSON = valueOf(v.Value)
		}
		return e.object(line)
	}
	value := "-"
	if v.Exists {
		value = brief(v.Value)
	}
	_, err := fmt.Fprintf(e.out, "%-24s %-40s %s\n", mainstem.Path{Group: c.Path.Group, Name: v.Name}, value, v.Position)
	return err
}
