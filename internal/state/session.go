package state

import (
	"encoding/binary"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
)

// session is one session of library-made IDs. It is one row, and beside it one
// row of receipts per record: not one per transaction.
type session struct {
	low    uint64 // lowest number that may still be asked for
	newest uint64 // highest number that has committed
	age    mainstem.LogAge
	// mark is a number and the record that gave it: when the lowest number has
	// passed it, the receipts up to that record are not answered any more.
	mark      uint64
	markIndex uint64
}

func readSession(rows Rows, id mainstem.SessionID) (session, error) {
	value, ok, err := rows.Get(sessionKey(id))
	if err != nil || !ok {
		return session{}, err
	}
	return decodeSession(value)
}

func decodeSession(value []byte) (session, error) {
	r := reader{b: value}
	s := session{low: r.uint(), newest: r.uint(), age: mainstem.LogAge(r.uint()), mark: r.uint(), markIndex: r.uint()}
	return s, r.end("a session of library-made IDs")
}

func (s session) encode() []byte {
	w := writer{b: make([]byte, 0, 5*binary.MaxVarintLen64)}
	w.uint(s.low)
	w.uint(s.newest)
	w.uint(uint64(s.age))
	w.uint(s.mark)
	w.uint(s.markIndex)
	return w.b
}

// find returns what is remembered of a number; fresh are receipts that are not
// rows yet. A number above the newest has not committed, and one below the
// lowest is no longer answered, whether or not its receipt is there still.
func (s session) find(rows Rows, fresh []byte, group string, id mainstem.ID) (*idRow, error) {
	switch {
	case id.Number > s.newest:
		return nil, nil
	case id.Number < s.low:
		return nil, mainstem.Errorf(mainstem.TooOld, "library-made ID %s is below %d, the lowest its session still asks for", id, s.low)
	}
	receipt, err := receiptIn(fresh, id)
	if receipt != nil || err != nil {
		return knownNumber(receipt, err, group, id)
	}
	// The newest number before a record's end never falls along the log: rows
	// before the first that ends below the number cannot have it.
	for row, err := range rows.ScanBack(receiptsKey(id.Session, 0), receiptsKey(id.Session, ^uint64(0))) {
		if err != nil {
			return nil, err
		}
		r := reader{b: row.Value}
		if newest := r.uint(); newest < id.Number && !r.bad {
			break
		}
		receipt, err := receiptIn(r.b, id)
		if receipt != nil || err != nil || r.bad {
			return knownNumber(receipt, err, group, id)
		}
	}
	return nil, nil
}

// receiptIn finds a number among receipts: each a number and what is
// remembered of it.
func receiptIn(receipts []byte, id mainstem.ID) ([]byte, error) {
	r := reader{b: receipts}
	for len(r.b) > 0 {
		number, receipt := r.uint(), r.bytes()
		if r.bad {
			return nil, r.end("the receipts of session " + id.String())
		}
		if number == id.Number {
			return receipt, nil
		}
	}
	return nil, nil
}

func knownNumber(receipt []byte, err error, group string, id mainstem.ID) (*idRow, error) {
	if err != nil {
		return nil, err
	}
	row, err := decodeID(receipt, id)
	if err == nil && row.group != group {
		err = mainstem.Errorf(mainstem.IDReused, "library-made ID %s committed in group %s, not %s", id, row.group, group)
	}
	return &row, err
}

// touched is a session as the transactions of one step leave it.
type touched struct {
	session
	id       mainstem.SessionID
	receipts writer // each a number and what is remembered of it
}

// session is the step's own view of a session.
func (s *Step) session(id mainstem.SessionID) (*touched, error) {
	if n := len(s.sessions); n > 0 && s.sessions[n-1].id == id { // mostly there is one
		return s.sessions[n-1], nil
	}
	if t, ok := s.touched[id]; ok {
		return t, nil
	}
	stored, err := readSession(s.rows, id)
	if err != nil {
		return nil, err
	}
	t := &touched{session: stored, id: id}
	if s.touched == nil {
		s.touched = make(map[mainstem.SessionID]*touched)
	}
	s.touched[id] = t
	if len(s.sessions) == 0 {
		t.receipts.b = s.room.receipts[:0]
	}
	s.sessions = append(s.sessions, t)
	return t, nil
}

// number is what is remembered of a library-made ID, this step included.
func (s *Step) number(group string, id mainstem.ID) (*idRow, error) {
	if breaklaw.On("L5") {
		return nil, nil
	}
	t, err := s.session(id.Session)
	if err != nil || id.Number >= t.low && s.hints.unknown(id) {
		return nil, err
	}
	return t.find(s.rows, t.receipts.b, group, id)
}

// commit remembers a number. Scratch is for what is remembered of it.
func (t *touched) commit(row *idRow, scratch *writer) {
	t.low, t.newest, t.age = max(t.low, row.id.Low), max(t.newest, row.id.Number), row.age
	row.write(scratch)
	t.receipts.uint(row.id.Number)
	t.receipts.bytes(scratch.b)
}

// purgeEvery is how many numbers of a session become unanswerable before their
// receipts are deleted, as one range.
const purgeEvery = 1 << 12

// remember puts the rows of the sessions that committed something.
func (s *Step) remember(index uint64) {
	for _, t := range s.sessions {
		if len(t.receipts.b) == 0 {
			continue
		}
		if t.low > t.mark && t.newest >= t.mark+purgeEvery {
			if t.markIndex > 0 {
				s.put(Write{Key: receiptsKey(t.id, 0), Delete: true, End: receiptsKey(t.id, t.markIndex+1)})
			}
			t.mark, t.markIndex = t.newest, index
		}
		s.put(Write{Key: sessionKey(t.id), Value: t.encode()})
		w := s.room.empty()
		w.uint(t.newest)
		w.raw(t.receipts.b)
		s.put(Write{Key: receiptsKey(t.id, index), Value: w.b})
	}
	if len(s.sessions) > 0 {
		s.room.receipts = s.sessions[0].receipts.b
	}
}
