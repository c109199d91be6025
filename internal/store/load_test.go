package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

func openAt(t *testing.T, fs disk.FS, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{FS: fs, Dir: dir, Memory: store.MinMemory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && s.Err() == nil {
			t.Error(err)
		}
	})
	return s
}

// TestLoad: what is loaded is there, also after the power was cut; a store that has rows
// takes none, and rows out of order are refused.
func TestLoad(t *testing.T) {
	power, err := disk.NewPower(disk.NewMem(), disk.PowerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := openAt(t, power, "state")
	const n = 20_000
	row := func(i int) state.Row {
		return state.Row{Key: fmt.Appendf(nil, "s%06d", i), Value: fmt.Appendf(nil, "%01000d", i)}
	}
	load := func(s *store.Store, rows ...int) error {
		return s.Load(func(put func(state.Row) error) error {
			for _, i := range rows {
				if err := put(row(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = s.Load(func(put func(state.Row) error) error {
		for i := range n {
			if err := put(row(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := load(s, n); err == nil {
		t.Error("a store that has rows is loaded once more")
	}
	cut, err := power.Crash(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	after := openAt(t, cut, "state")
	for what, s := range map[string]*store.Store{"loaded": s, "after the power was cut": after} {
		count := 0
		for row, err := range s.Rows().Scan([]byte{0}, []byte{0xFF}) {
			if err != nil || string(row.Key) != fmt.Sprintf("s%06d", count) {
				t.Fatalf("%s: row %d is %q, %v", what, count, row.Key, err)
			}
			count++
		}
		if count != n {
			t.Errorf("%s: %d rows, want %d", what, count, n)
		}
	}
	wrong := openAt(t, disk.NewMem(), "state")
	if err := load(wrong, 2, 1); err == nil {
		t.Error("rows out of order are taken")
	}
	if err := load(openAt(t, disk.NewMem(), "state")); err != nil {
		t.Errorf("no rows: %v", err)
	}
	failed := errors.New("the rows ended")
	if err := wrong.Load(func(func(state.Row) error) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v, want what went wrong with the rows", err)
	}
}
