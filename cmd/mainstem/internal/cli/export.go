package cli

import "github.com/mainstemdb/mainstem"

type exportCmd struct {
	readable
	Path *mainstem.Path `arg:"" optional:"" name:"GROUP/PREFIX" help:"Only this group, and what the names in it begin with."`
}

// Help is shown below the flags.
func (*exportCmd) Help() string {
	return `One JSON line on standard output per key and per event, all from one frozen view (with several partitions, one point in each). Import reads it back: keys with what is left of their TTL, events under their numbers. Leases, IDs and the followers' cursors, which are in groups that begin with "~", are not exported: they mean nothing elsewhere.

Examples:

    mainstem export > all.jsonl
    mainstem export shop/cart- > carts.jsonl
    mainstem import all.jsonl --dir ./copy`
}

// exportedJSON is one line, of a key or of an event.
type exportedJSON struct {
	Key string `json:"key,omitempty"`
	valueJSON
	TTL    string `json:"ttl,omitempty"`
	Stream string `json:"stream,omitempty"`
	*exportedEvent
}

type exportedEvent struct {
	Number uint64  `json:"number"`
	Type   string  `json:"type"`
	Data   *string `json:"data,omitempty"`
	Base64 []byte  `json:"data_base64,omitempty"`
}

func (c *exportCmd) Run(e *env) (err error) {
	if c.Path != nil && reserved(c.Path.Group) {
		return misused("look at it with scan and read", "group %q is one of Mainstem's own, which no import could write", c.Path.Group)
	}
	db, err := c.openToRead(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	cut, err := db.Cut(e.ctx, mainstem.Latest())
	if err != nil {
		return err
	}
	defer closing(cut, &err)
	if c.Path != nil {
		return exportGroup(e, db, cut, *c.Path)
	}
	for group, err := range cut.Groups(e.ctx) {
		if err != nil {
			return err
		}
		if reserved(group) {
			continue
		}
		if err := exportGroup(e, db, cut, mainstem.Path{Group: group}); err != nil {
			return err
		}
	}
	return nil
}

func exportGroup(e *env, db *mainstem.DB, cut *mainstem.Cut, p mainstem.Path) error {
	view := cut.Group(p.Group)
	now, err := db.Group(p.Group).Now(e.ctx) // the cut itself has no one log age
	if err != nil {
		return err
	}
	from, to := mainstem.Prefix(p.Name)
	for v, err := range view.Scan(e.ctx, from, to) {
		if err != nil {
			return err
		}
		line := exportedJSON{
			Key: mainstem.Path{Group: p.Group, Name: v.Name}.String(), valueJSON: valueOf(v.Value), TTL: remaining(v.Until, now),
		}
		if err := e.object(line); err != nil {
			return err
		}
	}
	for stream, err := range view.Streams(e.ctx, from, to) {
		if err != nil {
			return err
		}
		if err := exportStream(e, view, mainstem.Path{Group: p.Group, Name: stream}); err != nil {
			return err
		}
	}
	return nil
}

func exportStream(e *env, view *mainstem.View, p mainstem.Path) error {
	for r, err := range view.Events(e.ctx, p.Name, 0) {
		if err != nil {
			return err
		}
		text, binary := textOr(r.Data)
		line := exportedJSON{
			Stream:        p.String(),
			exportedEvent: &exportedEvent{Number: r.Number, Type: r.Type, Data: text, Base64: binary},
		}
		if err := e.object(line); err != nil {
			return err
		}
	}
	return nil
}
