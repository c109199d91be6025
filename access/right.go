package access

import (
	"strings"

	"github.com/mainstemdb/mainstem"
)

// Right is what a rule of a policy allows. The set is closed.
type Right uint8

// The rights. None contains another.
const (
	// Read: views, and conditions of a transaction.
	Read Right = 1 << iota
	// Write: operations of a transaction, and its ID.
	Write
	// Feed: changes as they commit.
	Feed
	// Admin: what a server offers for its care. It is of the whole database; a
	// Backend has no call that needs it.
	Admin
)

var rightNames = []struct {
	right Right
	name  string
}{{Read, "read"}, {Write, "write"}, {Feed, "feed"}, {Admin, "admin"}}

// Rights lists every right, for tables and tests.
func Rights() []Right { return []Right{Read, Write, Feed, Admin} }

// String is the right's name as it stands in a policy; of a set, the names
// joined by " or ".
func (r Right) String() string {
	var names []string
	for _, n := range rightNames {
		if r&n.right != 0 {
			names = append(names, n.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " or ")
}

// MarshalText writes the name.
func (r Right) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name of one right; an unknown one is Invalid.
func (r *Right) UnmarshalText(text []byte) error {
	for _, n := range rightNames {
		if n.name == string(text) {
			*r = n.right
			return nil
		}
	}
	return mainstem.Errorf(mainstem.Invalid, "no right is called %s; there are read, write, feed and admin", short(string(text)))
}

// pattern is which groups a rule is about: one name, or all that begin with
// something.
type pattern struct {
	text string // without its *
	all  bool   // it ended with *
}

func (p pattern) matches(group string) bool {
	if !p.all {
		return group == p.text
	}
	return strings.HasPrefix(group, p.text) && (own(p.text) || !own(group))
}

// meets reports whether the pattern matches some group that begins with prefix.
func (p pattern) meets(prefix string) bool {
	if !p.all {
		return strings.HasPrefix(p.text, prefix)
	}
	return (strings.HasPrefix(p.text, prefix) || strings.HasPrefix(prefix, p.text)) && (own(p.text) || !own(prefix))
}

// own reports whether a group is Mainstem's own. Those hold the cursors of
// followers: who can write there makes others skip or repeat.
func own(group string) bool { return strings.HasPrefix(group, "~") }

// span is the names that begin with a prefix, as a range of names.
type span struct{ from, to string }

func spanOf(prefix string) span {
	from, to := mainstem.Prefix(prefix)
	return span{from, to}
}

// holds reports whether the whole range [from, to) is inside.
func (s span) holds(from, to string) bool {
	return strings.HasPrefix(from, s.from) && (s.to == "" || to != "" && to <= s.to)
}

// allowance is a Rule made ready: groups and rights are looked at once per call,
// names once per name.
type allowance struct {
	rights Right
	groups []pattern
	names  []span // none: every name
}

func (a *allowance) in(group string) bool {
	for _, p := range a.groups {
		if p.matches(group) {
			return true
		}
	}
	return false
}

func (a *allowance) name(name string) bool {
	for _, s := range a.names {
		if strings.HasPrefix(name, s.from) {
			return true
		}
	}
	return len(a.names) == 0
}

func (a *allowance) span(from, to string) bool {
	for _, s := range a.names {
		if s.holds(from, to) {
			return true
		}
	}
	return len(a.names) == 0
}

// short is text of a caller's, quoted so that it floods neither an error nor a log.
func short(text string) string {
	const most = 64
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return quote(text)
}
