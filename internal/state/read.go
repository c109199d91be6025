package state

import (
	"bytes"
	"errors"
	"iter"
	"math"

	"github.com/mainstemdb/mainstem"
)

// Reading is frozen rows, read as of a position.
type Reading struct {
	Rows Rows
	Tail *Tail
	// At is the position: the tail's last, or an earlier one of history.
	At mainstem.Position
}

// limits of one answer.
const (
	answerRows  = 1000
	answerBytes = 1 << 20
)

// scanVersions yields, for every name in [from, to), its newest version at or
// before p, deletions included. A name with many versions is jumped over.
func scanVersions(rows Rows, group, from, to string, p mainstem.Position) iter.Seq2[mainstem.Version, error] {
	return func(yield func(mainstem.Version, error) bool) {
		start, end := bound(kindKey, group, from), upper(kindKey, group, to)
		for start != nil {
			start = scanRun(rows, group, start, end, p, yield)
		}
	}
}

// jumpAfter is how many rows of one name are stepped over before it is
// cheaper to look for the next name.
const jumpAfter = 16

// scanRun yields until it is done (nil) or finds it cheaper to go on elsewhere.
func scanRun(rows Rows, group string, start, end []byte, p mainstem.Position, yield func(mainstem.Version, error) bool) []byte {
	var done []byte
	skipped := 0
	for row, err := range rows.Scan(start, end) {
		if err != nil {
			yield(mainstem.Version{}, err)
			return nil
		}
		prefix, _ := Prefix(row.Key)
		if done != nil && bytes.Equal(prefix, done) {
			if skipped++; skipped <= jumpAfter {
				continue
			}
			return after(done)
		}
		done, skipped = append(done[:0], prefix...), 0
		_, name, ok := names(row.Key, 0, suffix)
		if !ok {
			yield(mainstem.Version{}, mainstem.Errorf(mainstem.Corrupt, "a stored row of a key does not parse (L12)"))
			return nil
		}
		v, err := readVersion(name, row)
		if err == nil && v.Position > p {
			v, err = newest(rows, group, name, p)
		}
		if err == nil && v.Position == 0 {
			continue // made after p
		}
		if !yield(v, err) || err != nil {
			return nil
		}
	}
	return nil
}

// Answer answers one query of a group's reader.
func (r *Reading) Answer(q mainstem.Query) (mainstem.Answer, error) {
	live := r.At == r.Tail.Last
	if err := r.kept(q); err != nil {
		return mainstem.Answer{}, err
	}
	switch q.Kind {
	case mainstem.QueryGet:
		at := r.At
		if live {
			at = math.MaxUint64
		}
		v, err := newest(r.Rows, q.Group, q.Name, at)
		if err != nil || !v.Exists {
			return mainstem.Answer{}, err
		}
		return mainstem.Answer{Versions: []mainstem.Version{v}}, nil
	case mainstem.QueryScan:
		return r.scan(q)
	case mainstem.QueryHistory:
		return r.history(q)
	case mainstem.QueryEvents:
		return r.events(q)
	case mainstem.QueryStreams:
		return r.streams(q)
	case mainstem.QueryGroups:
		return r.groups(q)
	case mainstem.QueryLease, mainstem.QueryID:
		if !live {
			return mainstem.Answer{}, mainstem.Errorf(mainstem.Invalid, "leases and IDs have no history; read them at Latest, not as of position %s", r.At)
		}
		if q.Kind == mainstem.QueryLease {
			l, err := readLease(r.Rows, q.Group, q.Name)
			return mainstem.Answer{Lease: l}, err
		}
		return r.receipt(q)
	default:
		return mainstem.Answer{}, mainstem.Errorf(mainstem.Invalid, "query of unknown kind %d", q.Kind)
	}
}

// kept reports as Trimmed what history no longer answers.
func (r *Reading) kept(q mainstem.Query) error {
	var horizon mainstem.Position
	switch q.Kind {
	case mainstem.QueryGet, mainstem.QueryHistory:
		horizon = r.Tail.horizon(q.Group, q.Name)
	case mainstem.QueryScan:
		horizon = r.Tail.HorizonOf(q.Group, q.Name, q.To)
	case mainstem.QueryGroups:
		horizon = r.Tail.NewestHorizon()
	}
	if r.At < horizon {
		return mainstem.Errorf(mainstem.Trimmed, "position %s: the history of %q in group %q is kept from position %s on", r.At, q.Name, q.Group, horizon)
	}
	return nil
}

func (r *Reading) receipt(q mainstem.Query) (mainstem.Answer, error) {
	id, err := mainstem.ParseID(q.Name)
	if err != nil {
		return mainstem.Answer{}, err
	}
	row, err := find(r.Rows, r.Tail, q.Group, id, r.Tail.Age)
	if err != nil || row == nil {
		return mainstem.Answer{}, err
	}
	return mainstem.Answer{Receipt: row.receipt(r.Tail.Partition)}, nil
}

// room counts down what one answer may hold.
type room struct{ rows, bytes int }

func newRoom(most int) *room {
	if most <= 0 || most > answerRows {
		most = answerRows
	}
	return &room{rows: most, bytes: answerBytes}
}

// take reports whether one more element of this size fits; the first always does.
func (r *room) take(size int) bool {
	if r.rows <= 0 || r.bytes <= 0 {
		return false
	}
	r.rows--
	r.bytes -= size
	return true
}

func (r *Reading) scan(q mainstem.Query) (mainstem.Answer, error) {
	var a mainstem.Answer
	left := newRoom(q.Max)
	for v, err := range scanVersions(r.Rows, q.Group, q.Name, q.To, r.At) {
		if err != nil {
			return a, err
		}
		if !v.Exists {
			continue
		}
		if !left.take(len(v.Name) + len(v.Value.Bytes) + 32) {
			a.More = true
			break
		}
		a.Versions = append(a.Versions, v)
	}
	return a, nil
}

func (r *Reading) history(q mainstem.Query) (mainstem.Answer, error) {
	var a mainstem.Answer
	left := newRoom(q.Max)
	horizon := r.Tail.horizon(q.Group, q.Name)
	var bad error
	err := history(r.Rows, nameKey(kindKey, q.Group, q.Name), r.At, func(row Row) bool {
		var v mainstem.Version
		if v, bad = readVersion(q.Name, row); bad != nil {
			return false
		}
		if a.More = !left.take(len(v.Value.Bytes) + 32); a.More {
			return false
		}
		a.Versions = append(a.Versions, v)
		return v.Position > horizon // the first at or before it is the last that is sure to be kept everywhere
	})
	return a, errors.Join(err, bad)
}

// lengthAt is the length that a stream had at the reading's position.
func (r *Reading) lengthAt(q mainstem.Query) (uint64, error) {
	h, err := readStream(r.Rows, q.Group, q.Name)
	if err != nil || h.last <= r.At {
		return h.length, err
	}
	prefix := nameKey(kindEvent, q.Group, q.Name)
	for row, err := range r.Rows.ScanBack(prefix, after(prefix)) {
		if err != nil {
			return 0, err
		}
		e, err := readEvent(q.Name, row)
		if err != nil || e.Position <= r.At {
			return e.Number, err
		}
	}
	return 0, nil
}

func (r *Reading) events(q mainstem.Query) (mainstem.Answer, error) {
	length, err := r.lengthAt(q)
	a := mainstem.Answer{Length: length}
	if err != nil || q.After >= length || q.After == math.MaxUint64 {
		return a, err
	}
	left := newRoom(q.Max)
	prefix := nameKey(kindEvent, q.Group, q.Name)
	for row, err := range r.Rows.Scan(eventKey(prefix, q.After+1), after(prefix)) {
		if err != nil {
			return a, err
		}
		e, err := readEvent(q.Name, row)
		if err != nil {
			return a, err
		}
		if e.Number > length {
			break
		}
		if !left.take(len(e.Type) + len(e.Data) + 32) {
			a.More = true
			break
		}
		a.Events = append(a.Events, e)
	}
	return a, nil
}

func (r *Reading) streams(q mainstem.Query) (mainstem.Answer, error) {
	var a mainstem.Answer
	left := newRoom(q.Max)
	for row, err := range r.Rows.Scan(bound(kindStream, q.Group, q.Name), upper(kindStream, q.Group, q.To)) {
		if err != nil {
			return a, err
		}
		_, name, _ := names(row.Key, 0, 0)
		length, err := r.lengthAt(mainstem.Query{Group: q.Group, Name: name})
		if err != nil {
			return a, err
		}
		if length == 0 {
			continue
		}
		if !left.take(len(name) + 16) {
			a.More = true
			break
		}
		a.Names = append(a.Names, name)
	}
	return a, nil
}
