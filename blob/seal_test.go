package blob_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/blob"
)

// TestEveryFlippedBit of a sealed blob is found, and so is another name (L12).
func TestEveryFlippedBit(t *testing.T) {
	data := []byte("what is kept")
	sealed, err := blob.Seal("a/b-1", data)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := blob.Open("a/b-1", sealed); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%q, %v", got, err)
	}
	for i := range sealed {
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			if _, err := blob.Open("a/b-1", flipped); !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("bit %d of byte %d flipped: %v, want corrupt (L12)", bit, i, err)
			}
		}
		if _, err := blob.Open("a/b-1", sealed[:i]); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v, want corrupt (L12)", i, err)
		}
	}
	if _, err := blob.Open("a/b-2", sealed); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("under another name: %v, want corrupt (L12)", err)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "0-/b/c-9", strings.Repeat("a", blob.LimitName)} {
		if err := blob.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "/", "/a", "a/", "a//b", "..", "a/../b", "A", "a b", "a\x00", "ä", "a.b", "a_b", strings.Repeat("a", blob.LimitName+1)} {
		if err := blob.CheckName(name); !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("%q: %v, want invalid", name, err)
		}
	}
	for prefix, good := range map[string]bool{"": true, "a/": true, "a/b": true, "/": false, "a//": false, "a%": false} {
		if err := blob.CheckPrefix(prefix); (err == nil) != good {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// FuzzOpen: whatever is stored, it opens as what was sealed or not at all.
func FuzzOpen(f *testing.F) {
	sealed, err := blob.Seal("a", []byte("b"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a", sealed)
	f.Add("", []byte("MAINBLB1"))
	f.Fuzz(func(t *testing.T, name string, stored []byte) {
		data, err := blob.Open(name, stored)
		if err != nil {
			if !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("%v is none of the errors", err)
			}
			return
		}
		if again, err := blob.Seal(name, data); err == nil && !bytes.Equal(again, stored) {
			t.Error("it opens, and is not what would be sealed")
		}
	})
}
