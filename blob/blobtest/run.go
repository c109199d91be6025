// Package blobtest says what a blob.Store must do. A store is finished when the suite
// is green against the real thing.
package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem/blob"
)

// World is what a suite runs in.
type World struct {
	// Open opens the store, which is empty at first, another time: what one handle
	// has put, the others see.
	Open func(t *testing.T) blob.Store
	// Flip changes one bit of what the store keeps of a blob, behind its back.
	Flip func(t *testing.T, name string)
}

// Run runs the suite.
func Run(t *testing.T, w World) {
	store := w.Open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, World, blob.Store)
	}{
		{"KeptAndFound", keptAndFound},
		{"Replaced", replaced},
		{"Refused", refused},
		{"Listed", listed},
		{"SideBySide", sideBySide},
		{"FlippedBit", flippedBit},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, w, store) })
	}
}

func put(t *testing.T, s blob.Store, name string, data []byte) {
	t.Helper()
	if err := s.Put(t.Context(), name, data); err != nil {
		t.Fatalf("putting %s: %v", name, err)
	}
}

func want(t *testing.T, s blob.Store, name string, data []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), name)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s has %d bytes, %v; want the %d that were put", name, len(got), err, len(data))
	}
}

// noise is data that does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func keptAndFound(t *testing.T, w World, s blob.Store) {
	other := w.Open(t)
	for _, n := range []int{0, 1, 4096, 5<<20 + 1, blob.LimitBlob} {
		name := fmt.Sprintf("kept/of-%d", n)
		put(t, s, name, noise(n))
		want(t, other, name, noise(n))
		for range 2 { // deleting what is gone is no error
			if err := other.Delete(t.Context(), name); err != nil {
				t.Errorf("deleting %s: %v", name, err)
			}
		}
		if _, err := s.Get(t.Context(), name); !errors.Is(err, blob.ErrMissing) {
			t.Errorf("after it was deleted: %v, want missing", err)
		}
	}
	if _, err := s.Get(t.Context(), "kept/never"); !errors.Is(err, blob.ErrMissing) {
		t.Errorf("what was never put: %v, want missing", err)
	}
}

func replaced(t *testing.T, w World, s blob.Store) {
	put(t, s, "replaced/a", noise(100_000))
	put(t, s, "replaced/a", []byte("short"))
	want(t, w.Open(t), "replaced/a", []byte("short"))
	put(t, s, "replaced/a", noise(300_000))
	want(t, s, "replaced/a", noise(300_000))
}

func refused(t *testing.T, _ World, s blob.Store) {
	if err := s.Put(t.Context(), "refused/large", make([]byte, blob.LimitBlob+1)); !errors.Is(err, blob.ErrInvalid) {
		t.Errorf("a blob of a byte too many: %v, want invalid", err)
	}
	for _, name := range []string{"", "../a", "a//b", "A", strings.Repeat("a", blob.LimitName+1)} {
		if err := s.Put(t.Context(), name, nil); !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("putting under %.20q: %v, want invalid", name, err)
		}
		if _, err := s.Get(t.Context(), name); !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("getting %.20q: %v, want invalid", name, err)
		}
		if err := s.Delete(t.Context(), name); !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("deleting %.20q: %v, want invalid", name, err)
		}
	}
	if _, err := s.List(t.Context(), "a//"); !errors.Is(err, blob.ErrInvalid) {
		t.Errorf("listing a//: %v, want invalid", err)
	}
	if names, err := s.List(t.Context(), "refused"); err != nil || len(names) > 0 {
		t.Errorf("what was refused is there: %q, %v", names, err)
	}
}

func listed(t *testing.T, w World, s blob.Store) {
	all := []string{"listed/a", "listed/a-b", "listed/a/1", "listed/a/2", "listed/b/1", "listedb"}
	long := "listed/" + strings.Repeat("z", blob.LimitName-len("listed/"))
	for _, name := range append(all, long) {
		put(t, s, name, []byte(name))
	}
	for prefix, want := range map[string][]string{
		"listed":     append(slices.Clone(all[:5]), long, "listedb"),
		"listed/a/":  {"listed/a/1", "listed/a/2"},
		"listed/a":   {"listed/a", "listed/a-b", "listed/a/1", "listed/a/2"},
		"listed/b/1": {"listed/b/1"},
		"listed/zzz": {long},
		"listed/x/":  nil,
	} {
		got, err := w.Open(t).List(t.Context(), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("listing %q: %q, %v; want %q", prefix, got, err, want)
		}
	}
	got, err := s.List(t.Context(), "")
	if err != nil || !slices.Contains(got, "listedb") || !slices.IsSorted(got) {
		t.Errorf("listing all: %q, %v", got, err)
	}
}

// sideBySide: several put, read and delete the same. Nobody sees a part of a blob, and
// the last one to put is not lost.
func sideBySide(t *testing.T, w World, _ blob.Store) {
	var all sync.WaitGroup
	for i := range 4 {
		s := w.Open(t)
		all.Go(func() {
			for round := range 8 {
				err := s.Put(t.Context(), "side/same", bytes.Repeat([]byte{byte(i)}, 10_000+i))
				if err != nil {
					t.Errorf("putting: %v", err)
				}
				data, err := s.Get(t.Context(), "side/same")
				if err == nil && !bytes.Equal(data, bytes.Repeat(data[:1], 10_000+int(data[0]))) {
					t.Error("a blob is made of two")
				}
				if err != nil && !errors.Is(err, blob.ErrMissing) {
					t.Errorf("getting: %v", err)
				}
				if round%4 == 3 {
					if err := s.Delete(t.Context(), "side/same"); err != nil {
						t.Errorf("deleting: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	s := w.Open(t)
	put(t, s, "side/same", []byte("last"))
	want(t, w.Open(t), "side/same", []byte("last"))
}

func flippedBit(t *testing.T, w World, s blob.Store) {
	put(t, s, "flipped/a", noise(10_000))
	w.Flip(t, "flipped/a")
	if data, err := s.Get(t.Context(), "flipped/a"); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a flipped bit is served: %d bytes, %v; want corrupt (L12)", len(data), err)
	}
	put(t, s, "flipped/a", noise(10_000))
	want(t, s, "flipped/a", noise(10_000))
}
