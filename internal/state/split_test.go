package state

import (
	"bytes"
	"testing"
)

// FuzzSplit: an index of names finds a row only if names are in the order of
// keys, and rows of one key share theirs, whatever bytes somebody asks with.
func FuzzSplit(f *testing.F) {
	key := versionKey(nameKey(kindKey, "orders", "a"), 7)
	for _, other := range [][]byte{
		{},
		{kindKey},
		[]byte("k\x00\x00\x00"), key, key[:len(key)-3], after(nameKey(kindKey, "orders", "a")),
		versionKey(nameKey(kindKey, "orders", "a"), 1<<63), versionKey(nameKey(kindKey, "orders", "ab"), 7), bound(kindKey, "orders", "a"),
		upper(kindKey, "orders", ""), eventKey(nameKey(kindEvent, "orders", "a"), 7), tailKey, Window(nil, 9, key),
	} {
		f.Add(key, other)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, y := a[:Split(a)], b[:Split(b)]
		if order := bytes.Compare(x, y); order != 0 && order != bytes.Compare(a, b) {
			t.Errorf("%q and %q are in another order than their names %q and %q", a, b, x, y)
		}
		if !bytes.Equal(x, x[:Split(x)]) {
			t.Errorf("the name %q has a name %q", x, x[:Split(x)])
		}
	})
}

// TestSplitIsThePrefixOfVersions: what the store takes for the name of a version
// is what the rules write before its position.
func TestSplitIsThePrefixOfVersions(t *testing.T) {
	for _, name := range []string{"a", "\x01", "a\xffb", "long name, of several words"} {
		for _, group := range []string{"g", "~follow/x/00"} {
			key := versionKey(nameKey(kindKey, group, name), 1)
			prefix, versioned := Prefix(key)
			if !versioned || !bytes.Equal(prefix, key[:Split(key)]) {
				t.Errorf("%q splits at %d, its prefix ends at %d", key, Split(key), len(prefix))
			}
		}
	}
}
