package cli

import (
	"time"

	"github.com/mainstemdb/mainstem"
)

type feedCmd struct {
	readable
	Follow bool   `short:"f" help:"Wait for more, until interrupted, which is exit code 0." xor:"waiting"`
	After  string `help:"Continue after this token, as an earlier line had it; without it, begin with the oldest change kept." placeholder:"TOKEN"`
	Group  string `help:"Only this group, as its name is, without escapes." placeholder:"GROUP"`
	Prefix string `help:"Only changes with an effect on a name that begins so." placeholder:"PREFIX"`
}

// Help is shown below the flags.
func (*feedCmd) Help() string {
	return `One JSON line per committed transaction, in order. The last line of each batch carries a token; a reader that keeps the newest token and gives it as --after misses nothing and repeats nothing. A token older than the log that is kept is exit code 3.

Examples:

    mainstem feed
    mainstem feed --follow --group item-42
    mainstem feed --prefix order/ --after "$token"`
}

// changeJSON is one line of the feed.
type changeJSON struct {
	Partition   int                  `json:"partition"`
	Position    mainstem.Position    `json:"position"`
	Incarnation mainstem.Incarnation `json:"incarnation"`
	Group       string               `json:"group"`
	ID          string               `json:"id"`
	Time        time.Time            `json:"time"`
	Effects     []effectJSON         `json:"effects"`
	Reply       *string              `json:"reply,omitempty"`
	ReplyBase64 []byte               `json:"reply_base64,omitempty"`
	Refused     bool                 `json:"refused,omitempty"`
	Actor       string               `json:"actor,omitempty"`
	Request     string               `json:"request,omitempty"`
	Trace       string               `json:"trace,omitempty"`
	Token       string               `json:"token,omitempty"`
}

// effectJSON is one decided operation.
type effectJSON struct {
	Kind mainstem.EffectKind `json:"kind"`
	Name string              `json:"name"`
	valueJSON
	Delta  *int64                `json:"delta,omitempty"`
	Events []eventJSON           `json:"events,omitempty"`
	Token  mainstem.FencingToken `json:"fencing_token,omitzero"`
	Owner  string                `json:"owner,omitempty"`
}

func (c *feedCmd) Run(e *env) (err error) {
	after, err := mainstem.ParseToken(c.After)
	if err != nil {
		return err
	}
	db, err := c.openToRead(e)
	if err != nil {
		return err
	}
	defer closing(db, &err)
	from := mainstem.From{After: after, Drain: !c.Follow, Match: mainstem.Match{NamePrefix: c.Prefix}}
	if c.Group != "" {
		from.Match.Groups = []string{c.Group}
	}
	if c.Follow {
		return e.follow(db, from, c.Server != "", e.changes)
	}
	if _, err = e.feed(db, &from, e.changes, func() {}); err == nil || e.ctx.Err() != nil {
		return e.ctx.Err() // a feed that is not to follow ends too early when it is interrupted
	}
	return err
}

// changes prints a batch, a line for each change; the last has the token.
func (e *env) changes(batch mainstem.Batch) error {
	for i := range batch.Changes {
		line := changeOf(&batch.Changes[i])
		if i == len(batch.Changes)-1 {
			line.Token = batch.Token.String()
		}
		if err := e.object(line); err != nil {
			return err
		}
	}
	return e.out.Flush()
}

func changeOf(c *mainstem.Change) changeJSON {
	j := changeJSON{
		Partition: c.Partition, Position: c.Position, Incarnation: c.Incarnation, Group: c.Group, ID: c.ID.String(),
		Time: c.Wall.UTC(), Effects: make([]effectJSON, 0, len(c.Effects)), Refused: c.Refused,
		Actor: c.Meta.Actor, Request: c.Meta.Request, Trace: c.Meta.Trace,
	}
	if c.Reply != nil {
		j.Reply, j.ReplyBase64 = textOr(c.Reply)
	}
	for _, effect := range c.Effects {
		j.Effects = append(j.Effects, effectOf(effect))
	}
	return j
}

func effectOf(effect mainstem.Effect) effectJSON {
	j := effectJSON{Kind: effect.Kind, Name: effect.Name, Token: effect.Token, Owner: effect.Owner}
	switch effect.Kind {
	case mainstem.EffectPut:
		j.valueJSON = valueOf(effect.Value)
	case mainstem.EffectAdd:
		j.valueJSON, j.Delta = valueOf(effect.Value), &effect.Delta
	default: // the others have no value
	}
	for i, event := range effect.Events {
		recorded := mainstem.Recorded{Event: event}
		if effect.First > 0 {
			recorded.Number = effect.First + uint64(i)
		}
		j.Events = append(j.Events, eventOf(recorded))
	}
	return j
}
