package store

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testMemory = MinMemory

// open opens the store in directory db of fs.
func open(t testing.TB, fs disk.FS) *Store {
	t.Helper()
	s, err := Open(Config{FS: fs, Dir: "db", Memory: testMemory})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func put(key, value string) state.Write { return state.Write{Key: []byte(key), Value: []byte(value)} }

func apply(t testing.TB, s *Store, writes ...state.Write) {
	t.Helper()
	if err := s.Apply(writes); err != nil {
		t.Fatal(err)
	}
}

// all lists rows as "key=value".
func all(t testing.TB, r state.Rows) (list []string) {
	t.Helper()
	for row, err := range r.Scan(nil, nil) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s=%s", row.Key, row.Value))
	}
	return list
}

// weight is the bytes of some rows.
func weight(writes []state.Write) (n int) {
	for i := range writes {
		n += len(writes[i].Key) + len(writes[i].Value) + len(writes[i].End)
	}
	return n
}
