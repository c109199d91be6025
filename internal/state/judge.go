package state

import (
	"errors"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
)

// LimitIDs is how many of the callers' own IDs one partition remembers at
// once. IDs are never dropped early to make room: beyond it transactions with
// such IDs are Overloaded (L5, L10).
const LimitIDs = 50_000_000

// judgement is one transaction being judged: the step it would become part of,
// and what its own operations have changed so far.
type judgement struct {
	step *Step
	t    *mainstem.Transaction
	more bool // operations follow, which may ask what this one has changed

	keys      map[string]mainstem.Version
	streams   map[string]streamHead
	leases    map[string]mainstem.Lease
	presented map[string]mainstem.FencingToken
}

// position is the one the transaction would take.
func (j *judgement) position() mainstem.Position { return j.step.Tail.Last + 1 }

// Judge decides a transaction against the state at the tail (L3). It returns
// the decided transaction, or the first receipt of an ID that has committed
// before, or an error: of the caller's making with a code other than Corrupt,
// or of the rows. It writes nothing. The decided transaction is good until the
// next is judged, its effects and results until the next step begins.
func (s *Step) Judge(t *mainstem.Transaction) (*record.Transaction, *mainstem.Receipt, error) {
	j, room := &s.room.judgement, s.room
	*j = judgement{step: s, t: t}
	known, err := j.once()
	if err != nil || known != nil {
		return nil, known, err
	}
	for i, c := range t.Conditions {
		if err := j.holdsCondition(c); err != nil {
			return nil, nil, numbered(err, i+1)
		}
	}
	decided := &room.decided
	*decided = record.Transaction{
		Group: t.Group, ID: t.ID, Attempt: t.Attempt, Fingerprint: t.Fingerprint,
		Reply: t.Reply, Refused: t.Refused, Meta: t.Meta, Later: s.now.Sub(s.header.Age),
	}
	if t.ID.Opaque == "" {
		decided.ID.Born = 0 // only judging asks for it
	}
	if n := len(t.Operations); n > 0 {
		room.effects, decided.Effects = share(room.effects, n)
		room.results, decided.Results = share(room.results, n)
	}
	for i, o := range t.Operations {
		j.more = i+1 < len(t.Operations)
		e, err := j.decide(o)
		if err != nil {
			return nil, nil, numbered(err, len(t.Conditions)+i+1)
		}
		decided.Results = append(decided.Results, mainstem.ResultOf(e))
		if e.Kind != 0 {
			decided.Effects = append(decided.Effects, e)
		}
	}
	return decided, nil, nil
}

func numbered(err error, n int) error {
	var e *mainstem.Error
	if errors.As(err, &e) && e.Condition == 0 {
		e.Condition = n
	}
	return err
}

// once applies L5 and L11: the ID before everything else.
func (j *judgement) once() (*mainstem.Receipt, error) {
	s, t := j.step, j.t
	known, err := s.known(t)
	if err != nil || known != nil {
		return known, err
	}
	if t.Deadline > 0 && s.now > t.Deadline && !breaklaw.On("L11") {
		return nil, mainstem.Errorf(mainstem.TooOld, "request %s in group %s arrived at log age %s, after its deadline %s (L11)", t.ID, t.Group, s.now, t.Deadline)
	}
	if t.ID.Opaque != "" && s.Tail.IDs() >= LimitIDs {
		return nil, mainstem.Errorf(mainstem.Overloaded, "%d IDs are remembered, which is the limit of a partition (L10)", s.Tail.IDs())
	}
	if t.Networked && !breaklaw.On("L11") {
		attempt, err := RefusedAttempts(s.rows, s.Tail, t.Group, t.ID)
		if err == nil && t.Attempt <= attempt && attempt > 0 {
			err = mainstem.Errorf(mainstem.Cancelled, "attempt %d of %s in group %s: attempt %d was refused before (L11)", t.Attempt, t.ID, t.Group, attempt)
		}
		return nil, err
	}
	return nil, nil
}

// Known is the first receipt of an ID, if it has committed (L5). A voided ID
// is Cancelled, another fingerprint IDReused, an ID beyond its age TooOld.
func Known(rows Rows, tail *Tail, group string, id mainstem.ID, fingerprint []byte, now mainstem.LogAge) (*mainstem.Receipt, error) {
	if id.IsZero() {
		return nil, nil
	}
	row, err := find(rows, tail, group, id, now)
	return answer(rows, tail, row, err, group, id, fingerprint, now)
}

// known is Known at the end of the step.
func (s *Step) known(t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if t.ID.IsZero() || t.ID.Opaque != "" {
		return Known(s.rows, s.Tail, t.Group, t.ID, t.Fingerprint, s.now)
	}
	row, err := s.number(t.Group, t.ID)
	return answer(s.rows, s.Tail, row, err, t.Group, t.ID, t.Fingerprint, s.now)
}

// answer is what an ID is answered of which row is remembered, or nothing.
func answer(rows Rows, tail *Tail, row *idRow, err error, group string, id mainstem.ID, fingerprint []byte, now mainstem.LogAge) (*mainstem.Receipt, error) {
	switch {
	case err != nil:
		return nil, err
	case row != nil && string(row.fingerprint) != string(fingerprint):
		return nil, mainstem.Errorf(mainstem.IDReused, "ID %s in group %s committed at position %s with another request fingerprint", id, group, row.position)
	case row != nil:
		return row.receipt(tail.Partition), nil
	case tail.tooOld(id.Born, now) && !breaklaw.On("L5"):
		return nil, mainstem.Errorf(mainstem.TooOld, "ID %s in group %s was born at log age %s; at %s IDs that old are no longer known (L5)", id, group, id.Born, now)
	case id.Opaque == "":
		return nil, nil
	}
	void, err := voided(rows, group, id.Opaque)
	if err == nil && void {
		err = mainstem.Errorf(mainstem.Cancelled, "ID %s in group %s was voided", id, group)
	}
	return nil, err
}

func (j *judgement) holdsCondition(c mainstem.Condition) error {
	if breaklaw.On("L3") {
		return nil
	}
	switch c := c.(type) {
	case mainstem.KeyAbsent:
		return j.keyAbsent(c)
	case mainstem.KeyUnchanged:
		if breaklaw.On("version") {
			return nil
		}
		return j.keyUnchanged(c)
	case mainstem.KeyEquals:
		return j.keyEquals(c)
	case mainstem.StreamLength:
		return j.streamLength(c)
	case mainstem.RangeUnchanged:
		return j.rangeUnchanged(c)
	case mainstem.StreamsUnchanged:
		return j.streamsUnchanged(c)
	case mainstem.LeaseHeld:
		_, err := j.holds(c.Lease, c.Token)
		return err
	case mainstem.Committed:
		row, err := find(j.step.rows, j.step.Tail, j.t.Group, mainstem.ID{Opaque: c.ID}, j.step.now)
		if err == nil && (row == nil || row.refused) {
			err = mainstem.Errorf(mainstem.Conflict, "ID %s has not committed in group %s, or is no longer remembered", c.ID, j.t.Group)
		}
		return err
	default:
		return mainstem.Errorf(mainstem.Invalid, "condition of unknown type %T", c)
	}
}

func (j *judgement) decide(o mainstem.Operation) (mainstem.Effect, error) {
	switch o := o.(type) {
	case mainstem.Put:
		return j.put(o)
	case mainstem.Delete:
		return j.remove(o)
	case mainstem.Add:
		return j.add(o)
	case mainstem.Append:
		return j.append(o)
	case mainstem.Acquire:
		return j.acquire(o)
	case mainstem.Renew:
		return j.renew(o)
	case mainstem.Release:
		return j.release(o)
	case mainstem.Emit:
		return mainstem.Effect{Kind: mainstem.EffectEmit, Name: o.Topic, Events: []mainstem.Event{o.Event}}, nil
	case mainstem.Void:
		return j.void(o)
	case mainstem.Present:
		return j.present(o)
	default:
		return mainstem.Effect{}, mainstem.Errorf(mainstem.Invalid, "operation of unknown type %T", o)
	}
}

func (j *judgement) void(o mainstem.Void) (mainstem.Effect, error) {
	if o.ID == j.t.ID.Opaque {
		return mainstem.Effect{}, mainstem.Errorf(mainstem.Invalid, "transaction %s would void itself", o.ID)
	}
	row, err := find(j.step.rows, j.step.Tail, j.t.Group, mainstem.ID{Opaque: o.ID}, j.step.now)
	if err == nil && row != nil && !row.refused { // a refusal has done nothing, and nothing more comes of it
		err = mainstem.Errorf(mainstem.Exists, "ID %s in group %s committed at position %s", o.ID, j.t.Group, row.position)
	}
	return mainstem.Effect{Kind: mainstem.EffectVoid, Name: o.ID}, err
}
