package mainstem

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// From says what Changes yields: everything after a token, filtered.
type From struct {
	// After is what the reader has seen. Partitions it does not name begin at
	// the oldest change kept.
	After Token
	Match Match
	// Max is the most changes in one batch; 0 means as many as are there, up to
	// those of about 256 KiB of the log.
	Max int
	// Drain ends the feed at the head as it was at the call, instead of
	// waiting for more; with Cancelled if the context ends before.
	Drain bool
}

// Match filters changes. An empty field matches everything; all fields that
// are set must match. It is data and not a function, so that it can travel.
type Match struct {
	// Groups are exact names of groups.
	Groups []string `json:"groups,omitempty"`
	// GroupPrefix is what a group's name begins with.
	GroupPrefix string `json:"group_prefix,omitempty"`
	// NamePrefix is what the name of at least one effect begins with.
	NamePrefix string `json:"name_prefix,omitempty"`
	// Kinds are the kinds of effect of which at least one is present.
	Kinds []EffectKind `json:"kinds,omitempty"`
	// FirstSlot and EndSlot are a range [FirstSlot, EndSlot) of slots; both 0
	// means all.
	FirstSlot uint16 `json:"first_slot,omitempty"`
	EndSlot   uint16 `json:"end_slot,omitempty"`
}

// Change is one committed transaction as the feed shows it.
type Change struct {
	Partition   int
	Position    Position
	Incarnation Incarnation
	Group       string
	ID          ID
	Effects     []Effect
	Reply       []byte
	Refused     bool
	Age         LogAge
	Wall        time.Time
	Meta        Meta
}

// Batch is consecutive changes of one partition. It can be without changes:
// then many were passed over that did not match, and the batch carries the
// token on.
type Batch struct {
	Partition int
	Changes   []Change
	// Token has seen everything up to and including this batch, and what the
	// feed began after: resuming After it misses nothing and repeats nothing.
	Token Token
	// Head is the newest position of the partition as known when the batch
	// was made; its distance to the last change is the lag.
	Head Position
}

// Validate reports a feed that cannot be: what its filter has to say, and a Max
// below 0.
func (f From) Validate() error {
	if f.Max < 0 {
		return Errorf(Invalid, "max of %d is below 0", f.Max)
	}
	return f.Match.Validate()
}

// Validate reports a filter that cannot match anything.
func (m Match) Validate() error {
	for _, name := range append([]string{m.GroupPrefix, m.NamePrefix}, m.Groups...) {
		if !utf8.ValidString(name) {
			return Errorf(Invalid, "name %q of a filter is not valid UTF-8", name)
		}
	}
	for _, k := range m.Kinds {
		if k == 0 || int(k) >= len(effectNames) {
			return Errorf(Invalid, "kind of effect %d is none that this program knows", k)
		}
	}
	switch {
	case m.EndSlot > Slots:
		return Errorf(Invalid, "slot range ends at %d; there are %d slots", m.EndSlot, Slots)
	case m.EndSlot < m.FirstSlot, m.EndSlot == m.FirstSlot && m.EndSlot != 0:
		return Errorf(Invalid, "slot range [%d, %d) is empty", m.FirstSlot, m.EndSlot)
	}
	return nil
}

// Matches reports whether the filter lets the change through.
func (m Match) Matches(c *Change) bool {
	if len(m.Groups) > 0 && !slices.Contains(m.Groups, c.Group) {
		return false
	}
	if !strings.HasPrefix(c.Group, m.GroupPrefix) || !m.slot(c.Group) {
		return false
	}
	if m.NamePrefix == "" && len(m.Kinds) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Effects, func(e Effect) bool {
		return strings.HasPrefix(e.Name, m.NamePrefix) && (len(m.Kinds) == 0 || slices.Contains(m.Kinds, e.Kind))
	})
}

func (m Match) slot(group string) bool {
	if m.EndSlot == 0 {
		return true
	}
	slot := SlotOf(group)
	return m.FirstSlot <= slot && slot < m.EndSlot
}
