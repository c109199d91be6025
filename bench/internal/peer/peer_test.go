package peer

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// dir is a directory of the file system that the sources are on: the usual one
// for temporary files may be memory, and another user may not get to it.
func dir(t *testing.T) string {
	t.Helper()
	if err := os.MkdirAll("../../../.tmp", 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := os.MkdirTemp("../../../.tmp", "peer-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(d + "*"); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	own := filepath.Join(d, "own") // a node keeps its files beside it
	if err := errors.Join(os.Chmod(d, 0o711), os.Mkdir(own, 0o711)); err != nil {
		t.Fatal(err)
	}
	return own
}

// TestConditionsHold: a peer that did not check what it is asked to check would
// be fast for nothing. Each is asked on this machine, or named as missing.
func TestConditionsHold(t *testing.T) {
	for i := range All {
		p := &All[i]
		if !p.Can(CAS, Add, Append, Get) {
			continue // a floor
		}
		t.Run(p.Name, func(t *testing.T) {
			c := Config{Dir: dir(t), Clients: 2}
			if p.Variants != nil {
				c.Variant = p.Variants(c.Clients, true)[0]
			}
			s, err := p.Open(t.Context(), c)
			if errors.Is(err, ErrMissing) {
				t.Skip("not run: " + err.Error())
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			if len(s.Settings()) == 0 {
				t.Error("it does not say how it is set up")
			}
			conditions(t, s)
		})
	}
}

func conditions(t *testing.T, s System) {
	t.Helper()
	do := func(op Op) uint64 {
		t.Helper()
		op.Value = []byte("value")
		v, err := s.Do(t.Context(), &op)
		if err != nil {
			t.Fatalf("%+v: %v", op, err)
		}
		return v
	}
	refused := func(op Op) {
		t.Helper()
		op.Value = []byte("other")
		if _, err := s.Do(t.Context(), &op); err == nil {
			t.Errorf("%+v was not refused", op)
		}
	}
	if v := do(Op{Kind: Get, Key: 7}); v != 0 {
		t.Errorf("an absent key has version %d", v)
	}
	first := do(Op{Kind: CAS, Key: 7})
	refused(Op{Kind: CAS, Key: 7})
	second := do(Op{Kind: CAS, Key: 7, Version: first})
	if first == 0 || second <= first {
		t.Errorf("versions %d and %d do not grow", first, second)
	}
	refused(Op{Kind: CAS, Key: 7, Version: first})
	if v := do(Op{Kind: Get, Key: 7}); v != second {
		t.Errorf("read version %d, want %d", v, second)
	}
	third := do(Op{Kind: CAS, Key: 7, Version: second})
	do(Op{Kind: CAS, Key: 7, Version: third})

	event := do(Op{Kind: Append, Client: 1})
	refused(Op{Kind: Append, Client: 1})
	event = do(Op{Kind: Append, Client: 1, Version: event})
	do(Op{Kind: Append, Client: 1, Version: event})
	refused(Op{Kind: Append, Client: 1, Version: event})
	do(Op{Kind: Append, Client: 2})

	do(Op{Kind: Add})
	do(Op{Kind: Add, Client: 1})
	if _, err := s.Do(t.Context(), &Op{Kind: "dance"}); err == nil {
		t.Error("an unknown operation was not refused")
	}
}

// TestLoad: keys that were loaded many at a time are there, each once asked for.
func TestLoad(t *testing.T) {
	for i := range All {
		p := &All[i]
		c := Config{Dir: dir(t), Clients: 1}
		if p.Name != "mainstem" && p.Name != "bbolt" {
			continue
		}
		if p.Variants != nil {
			c.Variant = p.Variants(1, true)[0]
		}
		s, err := p.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.(Loader).Load(t.Context(), 0, 250, 100); err != nil {
			t.Fatal(err)
		}
		for _, key := range []int{0, 99, 100, 249} {
			if v, err := s.Do(t.Context(), &Op{Kind: Get, Key: key}); err != nil || v == 0 {
				t.Errorf("%s: key %d has version %d, %v", p.Name, key, v, err)
			}
		}
		if v, err := s.Do(t.Context(), &Op{Kind: Get, Key: 250}); err != nil || v != 0 {
			t.Errorf("%s: a key too many has version %d, %v", p.Name, v, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
