package model

import (
	"bytes"

	"github.com/mainstemdb/mainstem"
)

// remembered is what an ID was answered, if that is still known at the age.
func (m *Model) remembered(g *group, age mainstem.LogAge, id string) (answered, bool) {
	rows := g.ids[id]
	if len(rows) == 0 {
		return answered{}, false
	}
	row := rows[len(rows)-1]
	return row, age.Sub(row.age) <= m.IDAge
}

// known answers a request whose ID has been answered before (L5).
func (m *Model) known(g *group, age mainstem.LogAge, id mainstem.ID, fingerprint []byte) (*mainstem.Receipt, error) {
	if id.IsZero() {
		return nil, nil
	}
	row, ok := m.remembered(g, age, id.String())
	if rows := g.ids[id.String()]; ok && row.voided && len(rows) > 1 {
		// A refusal stays the answer, voided or not, for as long as it is kept.
		if before := rows[len(rows)-2]; before.receipt.Refused && age.Sub(before.age) <= m.IDAge {
			row = before
		}
	}
	switch {
	case !ok:
		return nil, nil
	case id.Number > 0 && id.Number < g.sessions[id.Session]:
		return nil, nil // its receipt is no longer kept
	case row.voided:
		return nil, mainstem.Errorf(mainstem.Cancelled, "model: ID %s was voided", id)
	case !bytes.Equal(row.fingerprint, fingerprint):
		return nil, mainstem.Errorf(mainstem.IDReused, "model: ID %s has another fingerprint", id)
	}
	receipt := row.receipt
	receipt.Replayed = true
	return &receipt, nil
}

// late refuses what comes too late to be run at all (L5, L11).
func (m *Model) late(g *group, age mainstem.LogAge, t *mainstem.Transaction) error {
	id := t.ID
	switch {
	case id.Born > 0 && age.Sub(id.Born) > m.IDAge:
		return mainstem.Errorf(mainstem.TooOld, "model: ID %s was born at %s", id, id.Born)
	case id.Number > 0 && id.Number < g.sessions[id.Session]:
		return mainstem.Errorf(mainstem.TooOld, "model: session number %d is below %d", id.Number, g.sessions[id.Session])
	case t.Deadline > 0 && age > t.Deadline:
		return mainstem.Errorf(mainstem.TooOld, "model: the deadline was %s", t.Deadline)
	}
	// Only what came over a network can be a late copy.
	if r, ok := g.killed[id.String()]; ok && t.Networked && !id.IsZero() && t.Attempt <= r.attempt && age.Sub(r.age) <= m.IDAge {
		return mainstem.Errorf(mainstem.Cancelled, "model: attempt %d of %s was refused", r.attempt, id)
	}
	return nil
}

// kill makes sure that this attempt, and every one before it, never commits.
func (g *group) kill(t *mainstem.Transaction, age mainstem.LogAge) {
	if id := t.ID; !id.IsZero() {
		g.killed[id.String()] = refusal{attempt: max(t.Attempt, g.killed[id.String()].attempt), age: age}
	}
}
