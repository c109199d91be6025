package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mainstemdb/mainstem/examples/payments/internal/audit"
)

// figures are what came of one run.
type figures struct {
	Requests     int `json:"requests"`             // orders, each under a key of its own
	Attempts     int `json:"attempts"`             // calls that were made for them
	Acknowledged int `json:"acknowledged"`         // orders that were answered with 201
	OwnReads     int `json:"own_reads"`            // own payments that were looked for, and an answer came
	OnReplica    int `json:"own_reads_on_replica"` // of them, read on a replica
	audit.Figures
}

// report is the demo's result; as JSON it is the last line of its output.
type report struct {
	Seed        uint64   `json:"seed"`
	Mainstem    *figures `json:"mainstem"`
	Handwritten *figures `json:"handwritten"`
}

// print writes the figures for a person, and then for a machine. An error says
// that a promise broke, or that the demo shows nothing.
func (r *report) print(out io.Writer) error {
	m, h := r.Mainstem, r.Handwritten
	fmt.Fprintf(out, "\n  %-36s %12s %12s\n", "", byMainstem, byHand)
	for _, row := range []struct {
		label string
		m, h  int
	}{
		{"requests", m.Requests, h.Requests},
		{"  attempts", m.Attempts, h.Attempts},
		{"  acknowledged", m.Acknowledged, h.Acknowledged},
		{"own payments looked for, answered", m.OwnReads, h.OwnReads},
		{"  read on a replica", m.OnReplica, h.OnReplica},
		{"double_charges", m.DoubleCharges, h.DoubleCharges},
		{"lost_events", m.LostEvents, h.LostEvents},
		{"duplicate_effects", m.DuplicateEffects, h.DuplicateEffects},
		{"stale_own_reads", m.StaleOwnReads, h.StaleOwnReads},
	} {
		fmt.Fprintf(out, "  %-36s %12d %12d\n", row.label, row.m, row.h)
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", line)
	return r.verdict()
}

// verdict holds the run to what the demo is to show.
func (r *report) verdict() error {
	switch m := r.Mainstem; {
	case m.Harm() > 0:
		return fmt.Errorf("a promise is broken, with seed %d: double_charges, lost_events, duplicate_effects and stale_own_reads of mainstem are to be zero", r.Seed)
	case m.Acknowledged == 0 || m.OnReplica == 0:
		return errors.New("no request of mainstem's was acknowledged and then read on a replica: this shows nothing")
	case r.Handwritten.Harm() == 0:
		return fmt.Errorf("the handwritten service did no harm, with seed %d: this shows nothing", r.Seed)
	}
	return nil
}
