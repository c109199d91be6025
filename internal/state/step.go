package state

import (
	"math"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// Step is one record's worth of change: begun with the record's header, fed
// with decided transactions, and sealed. The writer and replay take the same
// step; only where the transactions come from differs (L3).
//
// Invariant: Tail is as of the last admitted transaction; rows show every
// write that was put.
type Step struct {
	// Tail is a copy, changed as the step goes on.
	Tail *Tail

	// header says when the record was begun; later is how much later the last
	// admitted transaction was judged, now at which log age the next one is.
	header *record.Header
	later  time.Duration
	now    mainstem.LogAge
	turned bool

	room  *Room
	rows  Rows
	hints *Hints
	put   func(Write)

	// touched are the sessions asked for so far, in the order of sessions.
	touched  map[mainstem.SessionID]*touched
	sessions []*touched
}

// Begin starts the step of a record with this header. What is put must be
// visible in rows before the next transaction is judged or admitted. Hints may
// be nil; otherwise every step on these rows must have been taken with them. The
// step that had the room before must be at its end, its record encoded.
func Begin(room *Room, rows Rows, hints *Hints, tail *Tail, h *record.Header, put func(Write)) *Step {
	room.begin()
	s := &Step{Tail: tail.clone(), header: h, now: h.Age, room: room, rows: rows, hints: hints, put: put}
	t := s.Tail
	if g := h.Genesis; g != nil {
		t.Genesis, t.Database, t.Partition = *g, h.Database, h.Partition
	}
	if h.Settings != nil {
		t.Settings = *h.Settings
		t.Horizons = make([]mainstem.Position, 1+len(t.Settings.History))
		for i := range t.Horizons {
			// What an older rule has let go does not come back.
			t.Horizons[i] = tail.NewestHorizon()
		}
	}
	if h.Genesis != nil {
		t.goOn(h.Genesis.After)
		t.Genesis.After = 0 // Past tells it from here on
	}
	t.Version, t.Generation, t.Incarnation = h.Version, h.Generation, h.Incarnation
	t.Age, t.Wall, t.Boot, t.BootTime = h.Age, h.Wall, h.Boot, h.BootTime
	if h.Leap > 0 {
		t.Leaps = leapsWithin(t, h.Age, Leap{At: h.Age, Amount: h.Leap})
	}
	if h.Restored {
		t.Past = append(slices.Clone(t.Past), Era{Incarnation: tail.Incarnation, Last: tail.Last})
		t.Last = h.First - 1
		// Wherever it has moved before, it is in the log that holds this record, and the
		// nodes of the history before are none of it.
		t.Generations, t.Members, t.Votes, t.Writer = nil, nil, nil, ""
	}
	s.turnBuckets()
	return s
}

// Now says at which log age transactions are judged from here on. A record
// stays open while the one before it is on its way to the disk: what comes
// meanwhile must not be judged as if no time had passed, or a lease granted
// then would end early by as much (L6).
func (s *Step) Now(age mainstem.LogAge) { s.now = max(s.now, age) }

func leapsWithin(t *Tail, now mainstem.LogAge, next Leap) []Leap {
	var kept []Leap
	for _, l := range t.Leaps {
		if now.Sub(l.At) <= time.Duration(t.Settings.IDAge) {
			kept = append(kept, l)
		}
	}
	return append(kept, next)
}

// turnBuckets begins a new bucket of IDs when the current one is full of age,
// and drops those whose every ID is beyond the ID age.
func (s *Step) turnBuckets() {
	t := s.Tail
	width := max(1, t.Settings.IDAge/bucketsPerAge)
	if n := len(t.Buckets); n > 0 && s.header.Age.Sub(t.Buckets[n-1].Start) < time.Duration(width) {
		return
	}
	next := Bucket{Start: s.header.Age}
	if len(t.Buckets) == 0 {
		next.Start = 0 // nothing was ever dropped
	}
	t.Buckets = append(t.Buckets, next)
	s.turned = true
	// Every ID of a bucket is at most as young as the start of the next.
	for len(t.Buckets) > 1 && s.header.Age.Sub(t.Buckets[1].Start) > time.Duration(t.Settings.IDAge) {
		for _, kind := range []byte{kindID, kindRefusal} {
			s.put(Write{Key: bucketKey(kind, t.Buckets[0].Start), Delete: true, End: bucketKey(kind, t.Buckets[1].Start)})
		}
		t.Buckets = t.Buckets[1:]
	}
}

// Turned reports whether the record, if there is one, lets go of IDs by their age.
func (s *Step) Turned() bool { return s.turned }

// Admit gives a decided transaction the next position and puts its writes.
func (s *Step) Admit(d *record.Transaction) (mainstem.Position, error) {
	s.Tail.Last++
	p := s.Tail.Last
	s.later = max(s.later, d.Later)
	s.Tail.Age, s.Tail.Wall = s.header.Age.Add(s.later), s.header.Wall+int64(s.later)
	s.Tail.BootTime = s.header.BootTime + int64(s.later)
	if d.Undecodable {
		return p, nil
	}
	for i := range d.Effects {
		if err := s.admit(d.Group, &d.Effects[i], p); err != nil {
			return p, err
		}
	}
	return p, s.admitID(&idRow{
		group: d.Group, id: d.ID, attempt: d.Attempt, fingerprint: d.Fingerprint,
		position: p, incarnation: s.Tail.Incarnation, age: s.Tail.Age, wall: s.Tail.Wall,
		refused: d.Refused, reply: d.Reply, results: d.Results,
	})
}

func (s *Step) admit(group string, e *mainstem.Effect, p mainstem.Position) error {
	switch e.Kind {
	case mainstem.EffectPut, mainstem.EffectAdd, mainstem.EffectDelete, mainstem.EffectExpire:
		return s.admitKey(group, e, p)
	case mainstem.EffectAppend:
		s.admitAppend(group, e, p)
	case mainstem.EffectGrant, mainstem.EffectRenew, mainstem.EffectRelease:
		s.admitLease(group, e)
	case mainstem.EffectPresent:
		s.admitPresent(group, e)
	case mainstem.EffectVoid:
		s.put(Write{Key: nameKey(kindVoid, group, e.Name)})
	}
	return nil
}

// Refuse remembers that all attempts of an ID up to this one were definitely
// refused (L11).
func (s *Step) Refuse(r record.Refusal) error {
	known, err := RefusedAttempts(s.rows, s.Tail, r.Group, r.ID)
	if err != nil {
		return err
	}
	var w writer
	w.uint(uint64(max(known, r.Attempt)))
	hash := idHash(r.Group, r.ID)
	current := s.Tail.Buckets[len(s.Tail.Buckets)-1].Start
	s.put(Write{Key: append(bucketKey(kindRefusal, current), hash[:]...), Value: w.b})
	return nil
}

// Expired returns, as transactions of their own, at most most deletions of
// keys whose TTL has ended by now. Expiries that the key has outlived say
// nothing any more; it forgets them, by the writes that it also returns.
func (s *Step) Expired(most int) (due []*record.Transaction, outlived []Write, err error) {
	if s.now < s.hints.NextExpiry() {
		return nil, nil, nil
	}
	ended, next, err := s.ended(most)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range ended {
		e := &d.Effects[0]
		v, err := s.newest(d.Group, e.Name)
		if err != nil {
			return nil, nil, err
		}
		if v.Exists && v.Until == e.Until {
			due = append(due, d)
			continue
		}
		outlived = append(outlived, Write{Key: expiryKey(e.Until, d.Group, e.Name), Delete: true})
	}
	for _, w := range outlived {
		s.put(w)
	}
	s.hints.expires(next)
	return due, outlived, nil
}

// ended lists at most most expiries that are due, and says when the next is.
func (s *Step) ended(most int) (ended []*record.Transaction, next mainstem.LogAge, err error) {
	for row, err := range s.rows.Scan([]byte{kindExpiry}, []byte{kindExpiry + 1}) {
		if err != nil {
			return nil, 0, err
		}
		until := mainstem.LogAge(eventNumber(row.Key[:9]))
		if until > s.now || len(ended) == most {
			return ended, until, nil
		}
		group, name, ok := names(row.Key, 8, 0)
		if !ok {
			return nil, 0, mainstem.Errorf(mainstem.Corrupt, "a stored row of an expiry does not parse (L12)")
		}
		ended = append(ended, &record.Transaction{
			Group: group, Later: s.now.Sub(s.header.Age),
			Effects: []mainstem.Effect{{Kind: mainstem.EffectExpire, Name: name, Until: until}},
		})
	}
	return ended, math.MaxInt64, nil
}

// Horizons decides, for a checkpoint record, from which positions on history
// is kept at this age. Only records whose place is known count: those still in
// flight are younger than anything that is let go.
func (s *Step) Horizons() ([]mainstem.Position, error) {
	t := s.Tail
	newest, ok, err := newestPlace(s.rows)
	if err != nil || !ok {
		return t.Horizons, err
	}
	horizons := append([]mainstem.Position(nil), t.Horizons...)
	for i := range horizons {
		keep := DefaultHistory
		if i > 0 {
			keep = max(keep, time.Duration(t.Settings.History[i-1].Age))
		}
		h, err := LastBefore(s.rows, newest.Last, func(p Place) bool { return t.Age.Sub(p.Age) > keep })
		if err != nil {
			return nil, err
		}
		horizons[i] = max(horizons[i], h)
	}
	return horizons, nil
}

// checkpoint applies what a checkpoint record settles.
func (s *Step) checkpoint(c *record.Checkpoint, index uint64) error {
	s.Tail.Asked, s.Tail.AskedRange, s.Tail.Horizons = index, c.Next, c.Horizons
	if horizon := s.Tail.OldestHorizon(); horizon > 0 {
		s.put(forgetWindows(horizon))
	}
	return s.endSessions()
}

// endSessions forgets sessions of library-made IDs that were silent for the
// whole ID age.
func (s *Step) endSessions() error {
	var ended []mainstem.SessionID
	for row, err := range s.rows.Scan([]byte{kindSession}, []byte{kindSession + 1}) {
		if err != nil {
			return err
		}
		id := mainstem.SessionID(row.Key[1:])
		session, err := decodeSession(row.Value)
		if err != nil {
			return err
		}
		if s.Tail.Age.Sub(session.age) > time.Duration(s.Tail.Settings.IDAge) {
			ended = append(ended, id)
		}
	}
	for _, id := range ended {
		s.put(Write{Key: sessionKey(id), Delete: true})
		s.put(Write{Key: receiptsKey(id, 0), Delete: true, End: receiptsKey(id, ^uint64(0))})
	}
	return nil
}

// Seal ends the step: the record has this index and hash.
func (s *Step) Seal(h *record.Header, hash journal.Hash) {
	s.Tail.Head = journal.Head{Index: h.Index, Hash: hash}
	switch {
	case h.Count > 0:
		s.Tail.LastHash = shortHash(hash)
	case h.Restored:
		s.Tail.LastHash = 0 // nothing is at the end of the gap
	}
}

// Settle is the writes that say where a durable record is; they belong to the
// same atomic batch as its effects.
func Settle(t *Tail, h *record.Header, head journal.Head) []Write {
	t.Head = head
	place := Place{Head: head, First: h.First, Age: t.Age, Wall: t.Wall}
	return []Write{
		{Key: recordKey(h.Last(), h.Index), Value: place.encode()},
		{Key: tailKey, Value: t.encode()},
	}
}

// Follows reports whether a record may follow the tail: the chain, the
// positions and the time (L1, L2, L6).
func (t *Tail) Follows(r *record.Record) error {
	h := &r.Header
	bad := func(what string, got, want any) error {
		return mainstem.Errorf(mainstem.Corrupt, "record %d of partition %d has %s %v; the tail demands %v (L2)", h.Index, h.Partition, what, got, want)
	}
	switch {
	case breaklaw.On("L2"):
		return nil
	case h.Index != t.Head.Index+1:
		return bad("index", h.Index, t.Head.Index+1)
	case h.PrevHash != t.Head.Hash:
		return bad("predecessor", h.PrevHash, t.Head.Hash)
	case h.Version < t.Version:
		return bad("version", h.Version, t.Version)
	case h.Index == 1 && h.Genesis == nil:
		return bad("genesis", "none", "one")
	case h.Index > 1 && (h.Database != t.Database || h.Partition != t.Partition):
		return bad("database", h.Database, t.Database)
	case h.Index > 1 && h.Generation != t.Generation:
		return bad("generation", h.Generation, t.Generation)
	case h.Moved != nil && (h.Count > 0 || h.Moved.Generation == t.Generation):
		return bad("move", h.Moved.Generation, "one without transactions to another log")
	case h.Genesis != nil && h.Index > 1:
		return bad("genesis", "another", "none")
	case !h.Restored && h.First != t.next(h), h.Restored && h.First <= t.Last:
		return bad("first position", h.First, t.next(h))
	case int(h.Count) != len(r.Transactions):
		return bad("transactions", len(r.Transactions), h.Count)
	case h.Age < t.Age, h.Wall < t.Wall:
		return bad("time", h.Age, t.Age)
	}
	return nil
}

// Replay takes the step of a stored record. Hints may be nil, as for Begin.
func Replay(room *Room, rows Rows, hints *Hints, tail *Tail, r *record.Record, head journal.Head, put func(Write)) (*Tail, error) {
	if err := tail.Follows(r); err != nil {
		return nil, err
	}
	s := Begin(room, rows, hints, tail, &r.Header, put)
	for i := range r.Transactions {
		if _, err := s.Admit(&r.Transactions[i]); err != nil {
			return nil, err
		}
	}
	if err := s.Finish(&r.Header); err != nil {
		return nil, err
	}
	s.Seal(&r.Header, head.Hash)
	for _, w := range Settle(s.Tail, &r.Header, head) {
		put(w)
	}
	return s.Tail, nil
}

// Finish admits what a header carries beside transactions.
func (s *Step) Finish(h *record.Header) error {
	for _, r := range h.Refusals {
		if err := s.Refuse(r); err != nil {
			return err
		}
	}
	s.remember(h.Index)
	s.admitMember(h)
	s.admitMove(h)
	if h.Checkpoint != nil {
		return s.checkpoint(h.Checkpoint, h.Index)
	}
	return nil
}
