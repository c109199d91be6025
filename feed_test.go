package mainstem_test

import (
	"testing"

	"github.com/mainstemdb/mainstem"
)

func TestMatch(t *testing.T) {
	slot := mainstem.SlotOf("shop/a")
	c := &mainstem.Change{Group: "shop/a", Effects: []mainstem.Effect{
		{Kind: mainstem.EffectPut, Name: "price"},
		{Kind: mainstem.EffectAppend, Name: "events"},
	}}
	for name, m := range map[string]struct {
		match mainstem.Match
		want  bool
	}{
		"everything":             {mainstem.Match{}, true},
		"group":                  {mainstem.Match{Groups: []string{"x", "shop/a"}}, true},
		"other group":            {mainstem.Match{Groups: []string{"shop"}}, false},
		"group prefix":           {mainstem.Match{GroupPrefix: "shop/"}, true},
		"other group prefix":     {mainstem.Match{GroupPrefix: "shop/b"}, false},
		"name prefix":            {mainstem.Match{NamePrefix: "ev"}, true},
		"other name prefix":      {mainstem.Match{NamePrefix: "x"}, false},
		"kind":                   {mainstem.Match{Kinds: []mainstem.EffectKind{mainstem.EffectAppend}}, true},
		"other kind":             {mainstem.Match{Kinds: []mainstem.EffectKind{mainstem.EffectGrant}}, false},
		"name and kind of two":   {mainstem.Match{NamePrefix: "price", Kinds: []mainstem.EffectKind{mainstem.EffectAppend}}, false},
		"name and kind of one":   {mainstem.Match{NamePrefix: "events", Kinds: []mainstem.EffectKind{mainstem.EffectAppend}}, true},
		"its slot":               {mainstem.Match{FirstSlot: slot, EndSlot: slot + 1}, true},
		"the slots before":       {mainstem.Match{EndSlot: slot}, false},
		"the slots after":        {mainstem.Match{FirstSlot: slot + 1, EndSlot: mainstem.Slots}, false},
		"group but not the slot": {mainstem.Match{Groups: []string{"shop/a"}, EndSlot: slot}, false},
	} {
		if got := m.match.Matches(c); got != m.want {
			t.Errorf("%s: Matches is %v", name, got)
		}
	}
	if (mainstem.Match{Kinds: []mainstem.EffectKind{mainstem.EffectPut}}).Matches(&mainstem.Change{Group: "g"}) {
		t.Error("a change without effects matches a kind")
	}
}

func TestMatchValidate(t *testing.T) {
	for name, c := range map[string]struct {
		match mainstem.Match
		code  mainstem.Code
	}{
		"everything": {mainstem.Match{}, 0},
		"last slot":  {mainstem.Match{FirstSlot: mainstem.Slots - 1, EndSlot: mainstem.Slots}, 0},
		"past it":    {mainstem.Match{FirstSlot: 1, EndSlot: mainstem.Slots + 1}, mainstem.Invalid},
		"empty":      {mainstem.Match{FirstSlot: 5, EndSlot: 5}, mainstem.Invalid},
		"backwards":  {mainstem.Match{FirstSlot: 5, EndSlot: 4}, mainstem.Invalid},
		"no end":     {mainstem.Match{FirstSlot: 5}, mainstem.Invalid},
	} {
		if err := c.match.Validate(); mainstem.CodeOf(err) != c.code {
			t.Errorf("%s: %v, must be code %v", name, err, c.code)
		}
	}
}
