package pgcluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/pg"
)

// id names what a takeover has made of something.
func (t *Takeover) id(of ...string) mainstem.ID {
	return mainstem.ID{Opaque: "pg/" + t.From + "/" + strings.Join(of, "/")}
}

// event is the transaction of one event. Lengths are those of the streams so far.
func (t *Takeover) event(e *pg.Event, lengths map[string]uint64) record.Transaction {
	number := lengths[e.Stream] + 1
	if e.Version > 0 {
		number = uint64(e.Version)
	}
	lengths[e.Stream] = number
	effect := mainstem.Effect{Kind: mainstem.EffectAppend, Name: e.Stream, Events: []mainstem.Event{e.Event}, First: number}
	return record.Transaction{
		Group: t.Group, ID: t.id(e.Position.String()), Attempt: 1, Meta: e.Meta,
		Effects: []mainstem.Effect{effect}, Results: []mainstem.Result{mainstem.ResultOf(effect)},
		Reply: []byte(e.Made.UTC().Format(time.RFC3339Nano)),
	}
}

// streamsAtOnce is how many streams one transaction brings to their versions.
const streamsAtOnce = 500

// versions brings those streams to their versions of which not all events are here:
// an append of no events, whose first would have been the next.
func (t *Takeover) versions(streams []pg.Versioned, lengths map[string]uint64) (all []record.Transaction) {
	var effects []mainstem.Effect
	end := func() {
		if len(effects) > 0 {
			all = append(all, record.Transaction{Group: t.Group, ID: t.id("streams", strconv.Itoa(len(all)+1)), Attempt: 1, Effects: effects})
			effects = nil
		}
	}
	for _, s := range streams {
		if lengths[s.Name] == uint64(s.Version) {
			continue
		}
		effects = append(effects, mainstem.Effect{Kind: mainstem.EffectAppend, Name: s.Name, First: uint64(s.Version) + 1})
		if len(effects) == streamsAtOnce {
			end()
		}
	}
	end()
	return all
}

// cursorKey is where a follower's shard keeps its cursor, in a group of its own.
const cursorKey = "~cursor"

// follower is the cursor of a consumer in each shard of the follower of its name.
func (t *Takeover) follower(name string, seen mainstem.Token) ([]record.Transaction, error) {
	if strings.Contains(name, "/") {
		e := mainstem.Errorf(mainstem.Invalid, "consumer %q has a / in its name, which a follower may not have", name)
		e.Advice = "let it take everything, begin one under another name at the end, and forget it: mainstem pg forget"
		return nil, e
	}
	if seen.IsZero() {
		return nil, nil // it has taken nothing: it begins at the oldest change
	}
	var all []record.Transaction
	known := map[string]bool{}
	for i := 0; len(known) < mainstem.FollowShards; i++ {
		group := mainstem.FollowGroup(name, strconv.Itoa(i))
		if known[group] {
			continue
		}
		known[group] = true
		all = append(all, record.Transaction{
			Group: group, ID: t.id("consumer", name, fmt.Sprint(len(known))), Attempt: 1,
			Effects: []mainstem.Effect{{Kind: mainstem.EffectPut, Name: cursorKey, Value: mainstem.Bytes([]byte(seen.String()))}},
			Results: []mainstem.Result{{}},
		})
	}
	return all, nil
}
