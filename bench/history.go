package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/meter"
)

// Entry is one line of the history of figures: one run of all that was asked.
type Entry struct {
	Date    time.Time     `json:"date"`
	Commit  string        `json:"commit"`
	Machine meter.Machine `json:"machine"`
	Seconds float64       `json:"seconds"`
	Rows    []Row         `json:"rows"`
	Missing []Missing     `json:"missing"`
	Failed  []Failed      `json:"failed,omitempty"`
}

// Row is what a line keeps of a result. The settings are in the code of the
// commit; those that were searched are in Tuned.
type Row struct {
	Scenario    string   `json:"scenario"`
	System      string   `json:"system"`
	Clients     int      `json:"clients"`
	Keys        int      `json:"keys,omitempty"`
	OfferedPerS float64  `json:"offered_per_s,omitempty"`
	OpsPerS     float64  `json:"ops_per_s"`
	P50         *float64 `json:"p50_us"`
	P99         *float64 `json:"p99_us"`
	P999        *float64 `json:"p999_us"`
	CPUPerOp    *float64 `json:"cpu_us_per_op"`
	BytesPerOp  *float64 `json:"bytes_per_op"`
	FsyncsPerS  *float64 `json:"fsyncs_per_s"`
	Synced      any      `json:"syncs_checked"`
	PeakRSS     int64    `json:"peak_rss_bytes,omitempty"`
	WALPerOp    *float64 `json:"wal_bytes_per_op,omitempty"`
	RowsKept    *int     `json:"rows_kept,omitempty"`
	Ratio       *Ratio   `json:"ratio,omitempty"`

	Tuned map[string]float64 `json:"tuned,omitempty"`
}

// entry makes a line of the reports of a run.
func entry(reports []*Report) Entry {
	e := Entry{Rows: []Row{}, Missing: []Missing{}}
	missing := map[Missing]bool{}
	for i, r := range reports {
		if i == 0 {
			e.Date, e.Commit, e.Machine, e.Seconds = r.Started, r.Commit, r.Machine, r.Seconds
		}
		for k := range r.Results {
			row := &r.Results[k]
			e.Rows = append(e.Rows, Row{
				Scenario: r.Scenario, System: row.System, Clients: row.Clients, Keys: row.Keys, OfferedPerS: row.OfferedPerS,
				OpsPerS: row.OpsPerS, P50: row.P50, P99: row.P99, P999: row.P999, CPUPerOp: row.CPUPerOp,
				BytesPerOp: row.BytesPerOp, FsyncsPerS: row.FsyncsPerS, Synced: row.SyncsChecked, PeakRSS: row.PeakRSS,
				WALPerOp: row.WALPerOp, RowsKept: row.RowsKept, Ratio: row.Ratio, Tuned: row.Tuned,
			})
		}
		for _, f := range r.Failed {
			f.Error = r.Scenario + ": " + f.Error
			e.Failed = append(e.Failed, f)
		}
		for _, m := range r.Missing {
			m.Why = r.Scenario + ": " + m.Why
			if !missing[m] {
				missing[m] = true
				e.Missing = append(e.Missing, m)
			}
		}
	}
	return e
}

// appendHistory adds a line to the file, which is made if it is not there.
func appendHistory(name string, e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Close()
}

// readHistory reads every line of the file.
func readHistory(name string) (entries []Entry, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, len(b)+1)
	for n := 1; lines.Scan(); n++ {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", name, n, err)
		}
		entries = append(entries, e)
	}
	return entries, lines.Err()
}

// keep appends the run to the history and draws it, as far as asked.
func keep(o *options, reports []*Report) error {
	if o.record != "" && len(reports) > 0 {
		if err := appendHistory(o.record, entry(reports)); err != nil {
			return err
		}
	}
	if o.chart == "" {
		return nil
	}
	entries, err := readHistory(o.record)
	if err != nil {
		return err
	}
	return os.WriteFile(o.chart, draw(entries), 0o644)
}
