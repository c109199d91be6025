package state

import (
	"bytes"

	"github.com/mainstemdb/mainstem"
)

// groups lists the groups that hold a key or a stream, in the order of their
// slots and then of their names.
func (r *Reading) groups(q mainstem.Query) (mainstem.Answer, error) {
	var a mainstem.Answer
	left := newRoom(q.Max)
	next := []byte{}
	if q.Name != "" {
		next = groupAfter(q.Name)
	}
	for {
		group, place, err := r.nextGroup(next)
		if err != nil || place == nil {
			return a, err
		}
		next = groupAfter(group)
		held, err := r.holdsAnything(group)
		if err != nil {
			return a, err
		}
		if !held {
			continue
		}
		if !left.take(len(group) + 16) {
			a.More = true
			return a, nil
		}
		a.Names = append(a.Names, group)
	}
}

// groupAfter is where the rows after a group begin, without the kind.
func groupAfter(group string) []byte { return upper(0, group, "")[1:] }

// nextGroup finds the first group at or after a place among keys and streams.
func (r *Reading) nextGroup(from []byte) (group string, place []byte, err error) {
	for _, kind := range []byte{kindKey, kindStream} {
		row, ok, err := r.Rows.First(append([]byte{kind}, from...), []byte{kind + 1})
		if err != nil {
			return "", nil, err
		}
		if !ok || place != nil && bytes.Compare(row.Key[1:], place) >= 0 {
			continue
		}
		name, _, found := bytes.Cut(row.Key[min(3, len(row.Key)):], []byte{0})
		if !found {
			return "", nil, mainstem.Errorf(mainstem.Corrupt, "a stored row of kind %q does not parse (L12)", kind)
		}
		group, place = string(name), bytes.Clone(row.Key[1:])
	}
	return group, place, nil
}

func (r *Reading) holdsAnything(group string) (bool, error) {
	for v, err := range scanVersions(r.Rows, group, "", "", r.At) {
		if err != nil || v.Exists {
			return err == nil, err
		}
	}
	a, err := r.streams(mainstem.Query{Group: group, Max: 1})
	return len(a.Names) > 0, err
}
