package state

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
)

// name draws names that are prefixes of each other, that hold the smallest
// and the largest characters, and that are as long as a name may be.
func name(t *rapid.T, label string) string {
	part := rapid.SampledFrom([]string{"a", "b", "/", "\x01", "\U0010ffff", "é", " "})
	long := strings.Repeat("x", mainstem.LimitName-4)
	return rapid.OneOf(
		rapid.Map(rapid.SliceOfN(part, 1, 4), func(parts []string) string { return strings.Join(parts, "") }),
		rapid.Map(part, func(s string) string { return long + s }),
	).Draw(t, label)
}

// TestRowsSortAsNamesDo: within a group rows are in the order of names, then
// versions newest first and events oldest first; and each key gives its names back.
func TestRowsSortAsNamesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, a, b := name(t, "group"), name(t, "a"), name(t, "b")
		p, q := rapid.Uint64().Draw(t, "p"), rapid.Uint64().Draw(t, "q")
		versions := func(n string, p uint64) []byte { return versionKey(nameKey(kindKey, group, n), mainstem.Position(p)) }
		events := func(n string, p uint64) []byte { return eventKey(nameKey(kindEvent, group, n), p) }
		if got, want := bytes.Compare(versions(a, p), versions(b, q)), cmp.Or(strings.Compare(a, b), cmp.Compare(q, p)); got != want {
			t.Errorf("versions %q at %d and %q at %d compare as %d, want %d", a, p, b, q, got, want)
		}
		if got, want := bytes.Compare(events(a, p), events(b, q)), cmp.Or(strings.Compare(a, b), cmp.Compare(p, q)); got != want {
			t.Errorf("events %q, %d and %q, %d compare as %d, want %d", a, p, b, q, got, want)
		}
		if g, n, ok := names(versions(a, p), 0, suffix); !ok || g != group || n != a || VersionPosition(versions(a, p)) != mainstem.Position(p) {
			t.Errorf("a version of %q/%q gives %q/%q back, %t", group, a, g, n, ok)
		}
		if g, n, ok := names(expiryKey(7, group, a), suffix, 0); !ok || g != group || n != a {
			t.Errorf("an expiry of %q/%q gives %q/%q back, %t", group, a, g, n, ok)
		}
	})
}

// TestBoundsCutWhereNamesDo: a row is in a range of rows exactly when its name
// is in the range of names, whatever the group beside it is called.
func TestBoundsCutWhereNamesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, other := name(t, "group"), name(t, "other group")
		n, from, to := name(t, "name"), name(t, "from"), name(t, "to")
		if rapid.Bool().Draw(t, "just after") {
			from += "\x00"
		}
		if rapid.Bool().Draw(t, "no end") {
			to = ""
		}
		inside := func(row []byte) bool {
			return bytes.Compare(row, bound(kindKey, group, from)) >= 0 && bytes.Compare(row, upper(kindKey, group, to)) < 0
		}
		want := n >= from && (to == "" || n < to)
		if got := inside(versionKey(nameKey(kindKey, group, n), 9)); got != want {
			t.Errorf("%q in [%q, %q) of %q: %t, want %t", n, from, to, group, got, want)
		}
		if other != group && inside(versionKey(nameKey(kindKey, other, n), 9)) {
			t.Errorf("a row of group %q lies in a range of group %q", other, group)
		}
		prefix := nameKey(kindKey, group, n)
		if row := versionKey(prefix, 0); bytes.Compare(row, after(prefix)) >= 0 {
			t.Errorf("the oldest version of %q lies beyond the name's end", n)
		}
		if next := nameKey(kindKey, group, n+"\x01"); bytes.Compare(next, after(prefix)) < 0 {
			t.Errorf("a name that %q is a prefix of lies before the name's end", n)
		}
	})
}

// TestASlotIsOneRangePerKind: what a sweep walks through has no gaps and no
// overlaps, and holds the groups of its slots.
func TestASlotIsOneRangePerKind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := name(t, "group")
		row := nameKey(kindLease, group, "n")
		var in []uint8
		for number := range uint8(Ranges) {
			from, to := slotRange(kindLease, number)
			if bytes.Compare(row, from) >= 0 && bytes.Compare(row, to) < 0 {
				in = append(in, number)
			}
		}
		if want := []uint8{uint8(mainstem.SlotOf(group) / (mainstem.Slots / Ranges))}; !slices.Equal(in, want) {
			t.Errorf("a row of group %q lies in ranges %d, want %d", group, in, want)
		}
	})
}
