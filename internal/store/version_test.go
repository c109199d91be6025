package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// versions is every version of every key that was ever written, oldest first.
type versions struct {
	random *rand.Rand
	last   mainstem.Position
	of     map[string][]mainstem.Version
	// horizon is from where on the past has to be there.
	horizon mainstem.Position
}

const versionGroup = "g"

var versionNames = []string{"a", "a/b", "b", "c"}

func versionPrefix(name string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{'k'}, mainstem.SlotOf(versionGroup))
	return append(b, versionGroup+"\x00"+name+"\x00"...)
}

func versionKey(name string, p mainstem.Position) []byte {
	return binary.BigEndian.AppendUint64(versionPrefix(name), ^uint64(p))
}

// next is a batch of new versions, some of one key several times.
func (v *versions) next() (writes []state.Write) {
	for range 1 + v.random.IntN(8) {
		v.last++
		name := versionNames[v.random.IntN(len(versionNames))]
		text := fmt.Sprint("value ", v.last)
		if v.random.IntN(8) == 0 {
			text = strings.Repeat(text, state.PackBytes/16) // a pack holds few of these
		}
		value := append(binary.AppendUvarint([]byte{0, 1, 0}, uint64(len(text))), text...)
		version := mainstem.Version{Name: name, Position: v.last, Exists: true, Value: mainstem.Bytes([]byte(text))}
		if v.random.IntN(4) == 0 {
			value, version = []byte{0, 0}, mainstem.Version{Name: name, Position: v.last}
		}
		writes = append(writes, state.Write{Key: versionKey(name, v.last), Value: value})
		v.of[name] = append(v.of[name], version)
	}
	return writes
}

// forget moves the horizon, and is what a sweep and a checkpoint then delete.
func (v *versions) forget() (writes []state.Write) {
	v.horizon += mainstem.Position(v.random.IntN(int(v.last-v.horizon) + 1))
	for _, name := range versionNames {
		kept := slices.Clone(v.of[name])
		for len(kept) > 1 && kept[1].Position <= v.horizon {
			writes = append(writes, state.Write{Key: versionKey(name, kept[0].Position), Delete: true})
			kept = kept[1:]
		}
		if len(kept) > 0 && kept[0].Position <= v.horizon && !kept[0].Exists {
			writes = append(writes, state.Write{Key: versionKey(name, kept[0].Position), Delete: true})
		}
	}
	return append(writes, state.Write{
		Key: []byte{'v'}, Delete: true, End: binary.BigEndian.AppendUint64([]byte{'v'}, uint64(v.horizon)+1),
	})
}

// at is what a key was at a position.
func (v *versions) at(name string, p mainstem.Position) (was mainstem.Version) {
	for _, version := range v.of[name] {
		if version.Position <= p {
			was = version
		}
	}
	return was
}

// agree compares what the rows say of a position with what was.
func (v *versions) agree(t *testing.T, rows state.Rows, p, last mainstem.Position) {
	t.Helper()
	r := &state.Reading{Rows: rows, Tail: &state.Tail{Last: last}, At: p}
	for _, name := range versionNames {
		a, err := r.Answer(mainstem.Query{Kind: mainstem.QueryGet, Group: versionGroup, Name: name})
		got := mainstem.Version{}
		if len(a.Versions) > 0 {
			got = a.Versions[0]
		}
		if want := v.at(name, p); err != nil || got.Exists != want.Exists || got.Exists && (got.Position != want.Position || !got.Value.Equal(want.Value)) {
			t.Fatalf("%s at %d, of %d, horizon %d: %+v, %v; it was %+v", name, p, last, v.horizon, got, err, want)
		}
		a, err = r.Answer(mainstem.Query{Kind: mainstem.QueryHistory, Group: versionGroup, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		for i, version := range a.Versions {
			if version.Position < v.horizon {
				break
			}
			if want := v.at(name, version.Position); version.Exists != want.Exists || want.Position != version.Position ||
				i > 0 && v.at(name, a.Versions[i-1].Position-1).Position != version.Position {
				t.Fatalf("history of %s before %d: %+v; it was %+v", name, p, a.Versions, v.of[name])
			}
		}
	}
}

// TestVersions writes versions of a few keys, writes them to tables, freezes,
// forgets and reopens at random: from the horizon on, every position reads as
// it was, now and in frozen rows, wherever a version is stored.
func TestVersions(t *testing.T) {
	seeds(t, 16, func(t *testing.T, random *rand.Rand) {
		fs := disk.NewMem()
		s := open(t, fs)
		defer func() { closed(t, s) }()
		v := &versions{random: random, of: map[string][]mainstem.Version{}}
		type past struct {
			*Snapshot
			last, horizon mainstem.Position
		}
		var frozen []past
		for range 80 {
			switch random.IntN(8) {
			case 0:
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			case 1:
				apply(t, s, v.forget()...)
			case 2:
				frozen = append(frozen, past{s.Snapshot(), v.last, v.horizon})
			case 3:
				if random.IntN(4) == 0 {
					if err := s.Flush(); err != nil {
						t.Fatal(err)
					}
					closed(t, s)
					s, frozen = open(t, fs), nil
				}
			default:
				apply(t, s, v.next()...)
			}
			v.agree(t, s.Rows(), v.horizon+mainstem.Position(random.IntN(int(v.last-v.horizon)+1)), v.last)
			if len(frozen) > 0 {
				f := frozen[random.IntN(len(frozen))]
				before := v.horizon
				v.horizon = f.horizon
				v.agree(t, f, f.horizon+mainstem.Position(random.IntN(int(f.last-f.horizon)+1)), f.last)
				v.horizon = before
			}
		}
	})
}

// TestVersionsLeaveTheirPlace: of the versions that are written to tables
// together only the newest stays in the order of names.
func TestVersionsLeaveTheirPlace(t *testing.T) {
	s := open(t, disk.NewMem())
	defer closed(t, s)
	value := []byte{0, 1, 0, 1, 'x'}
	for p := range mainstem.Position(3) {
		apply(t, s, state.Write{Key: versionKey("a", p+1), Value: value}, state.Write{Key: versionKey("b", p+11), Value: value})
	}
	count := func() (places, windows int) {
		for row, err := range s.Rows().Scan(nil, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if row.Key[0] == 'k' {
				places++
			} else {
				windows++
			}
		}
		return places, windows
	}
	if places, windows := count(); places != 6 || windows != 0 {
		t.Errorf("in memory: %d in place, %d in windows", places, windows)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if places, windows := count(); places != 2 || windows != 2 {
		t.Errorf("in tables: %d in place, %d in windows", places, windows)
	}
}
