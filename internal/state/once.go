package state

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
)

// idRow is what is remembered of a committed ID: who it was, exactly, and the
// receipt.
type idRow struct {
	group       string
	id          mainstem.ID
	attempt     uint32
	fingerprint []byte
	position    mainstem.Position
	incarnation mainstem.Incarnation
	age         mainstem.LogAge
	wall        int64
	refused     bool
	reply       []byte
	results     []mainstem.Result
}

func (r *idRow) write(w *writer) {
	w.string(r.group)
	w.string(r.id.Opaque)
	w.uint(uint64(r.attempt))
	w.bytes(r.fingerprint)
	w.uint(uint64(r.position))
	w.uint(uint64(r.incarnation))
	w.uint(uint64(r.age))
	w.int(r.wall)
	w.flag(r.refused)
	w.bytes(r.reply)
	w.uint(uint64(len(r.results)))
	for _, result := range r.results {
		w.int(result.Counter)
		w.uint(result.Length)
		w.uint(uint64(result.Token))
	}
}

func decodeID(value []byte, id mainstem.ID) (idRow, error) {
	r := reader{b: value}
	row := idRow{group: r.string(), id: id}
	opaque := r.string()
	if opaque != id.Opaque {
		row.id = mainstem.ID{Opaque: opaque}
	}
	row.attempt, row.fingerprint = uint32(r.uint()), r.copied()
	row.position, row.incarnation = mainstem.Position(r.uint()), mainstem.Incarnation(r.uint())
	row.age, row.wall = mainstem.LogAge(r.uint()), r.int()
	row.refused, row.reply = r.flag(), r.copied()
	if n := r.count(3); n > 0 {
		row.results = make([]mainstem.Result, n)
		for i := range row.results {
			row.results[i] = mainstem.Result{Counter: r.int(), Length: r.uint(), Token: mainstem.FencingToken(r.uint())}
		}
	}
	return row, r.end("ID " + id.String())
}

func (r *idRow) receipt(partition uint32) *mainstem.Receipt {
	return &mainstem.Receipt{
		Partition: int(partition), Position: r.position, Incarnation: r.incarnation,
		Age: r.age, Wall: time.Unix(0, r.wall).UTC(),
		Results: r.results, Reply: r.reply, Refused: r.refused, Replayed: true,
	}
}

// idHash names an ID in its group among the rows of a bucket. 128 bits of
// SHA-256 do not collide by accident; the row holds the full names and they
// are compared.
func idHash(group string, id mainstem.ID) [16]byte {
	var short [256]byte
	b := binary.AppendUvarint(short[:0], uint64(len(group)))
	b = append(b, group...)
	if id.Opaque == "" {
		b = append(append(b, 0), id.Session[:]...)
		b = binary.BigEndian.AppendUint64(b, id.Number)
	} else {
		b = append(append(b, 1), id.Opaque...)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

// find returns what is remembered of an ID, or nil. An ID is remembered for
// exactly the ID age, however long its bucket is kept (L5).
func find(rows Rows, tail *Tail, group string, id mainstem.ID, now mainstem.LogAge) (*idRow, error) {
	if breaklaw.On("L5") {
		return nil, nil
	}
	if id.Opaque == "" {
		known, err := readSession(rows, id.Session)
		if err != nil {
			return nil, err
		}
		return known.find(rows, nil, group, id)
	}
	hash := idHash(group, id)
	for i := len(tail.Buckets) - 1; i >= 0; i-- {
		value, ok, err := rows.Get(append(bucketKey(kindID, tail.Buckets[i].Start), hash[:]...))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		row, err := decodeID(value, id)
		if err != nil {
			return nil, err
		}
		if row.group != group || row.id.Opaque != id.Opaque {
			return nil, mainstem.Errorf(mainstem.Corrupt, "ID %s of group %s has the hash of ID %s of group %s (L12)", id, group, row.id, row.group)
		}
		if now.Sub(row.age) > time.Duration(tail.Settings.IDAge) {
			return nil, nil
		}
		return &row, nil
	}
	return nil, nil
}

func voided(rows Rows, group, id string) (bool, error) {
	_, ok, err := rows.Get(nameKey(kindVoid, group, id))
	return ok, err
}

// RefusedAttempts is the highest attempt of an ID that was definitely refused.
func RefusedAttempts(rows Rows, tail *Tail, group string, id mainstem.ID) (uint32, error) {
	hash := idHash(group, id)
	for i := len(tail.Buckets) - 1; i >= 0; i-- {
		value, ok, err := rows.Get(append(bucketKey(kindRefusal, tail.Buckets[i].Start), hash[:]...))
		if err != nil || !ok {
			if err != nil {
				return 0, err
			}
			continue
		}
		r := reader{b: value}
		attempt := r.uint()
		return uint32(min(attempt, math.MaxUint32)), r.end("refused attempts of " + id.String())
	}
	return 0, nil
}

// admitID remembers a committed ID.
func (s *Step) admitID(row *idRow) error {
	id := row.id
	switch {
	case id.IsZero():
		return nil
	case id.Opaque != "":
		hash := idHash(row.group, id)
		current := &s.Tail.Buckets[len(s.Tail.Buckets)-1]
		value := s.room.empty()
		row.write(value)
		s.put(Write{Key: append(bucketKey(kindID, current.Start), hash[:]...), Value: value.b})
		current.IDs++
		return nil
	}
	t, err := s.session(id.Session)
	if err != nil {
		return err
	}
	t.commit(row, s.room.empty())
	s.hints.committed(id, t.newest)
	return nil
}
