package main

import (
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/meter"
)

// Report is the one object that a run prints as JSON. bench/schema.json says
// the same for other readers.
type Report struct {
	Scenario string        `json:"scenario"`
	About    string        `json:"about"`
	Machine  meter.Machine `json:"machine"`
	Started  time.Time     `json:"started"`
	Commit   string        `json:"commit,omitempty"`
	// Seconds is how long each row was measured, in Rounds parts.
	Seconds float64   `json:"seconds"`
	Rounds  int       `json:"rounds"`
	Results []Result  `json:"results"`
	Missing []Missing `json:"missing"`
	// Failed are rows that ended with an error; the others count all the same.
	Failed []Failed `json:"failed"`
	// Aims are the targets that these rows can judge.
	Aims []Aim `json:"aims"`
}

// Missing is a system that this machine does not have, or that lacks what the
// scenario needs.
type Missing struct {
	System string `json:"system"`
	Why    string `json:"why"`
}

// Failed is a row that could not be measured.
type Failed struct {
	System  string `json:"system"`
	Clients int    `json:"clients"`
	Error   string `json:"error"`

	// What tells it apart from others of the system; 0 and nil where it has none.
	keys int
	rows *int
	rate float64
}

// Result is one row. What a row does not have is null.
type Result struct {
	System   string            `json:"system"`
	Clients  int               `json:"clients"`
	Settings map[string]string `json:"settings"`
	// OpsPerS is the median of the rounds; the quantiles are of all latencies
	// of all rounds, in microseconds.
	OpsPerS float64   `json:"ops_per_s"`
	Rounds  []float64 `json:"ops_per_s_of_rounds"`
	P50     *float64  `json:"p50_us"`
	P99     *float64  `json:"p99_us"`
	P999    *float64  `json:"p999_us"`
	// CPUPerOp is user and system time of CPUOf.
	CPUPerOp *float64 `json:"cpu_us_per_op"`
	CPUOf    string   `json:"cpu_of"`
	// BytesPerOp is what was written to the whole device, by anybody, while the
	// row was measured.
	BytesPerOp *float64 `json:"bytes_per_op"`
	// FsyncsPerS is OpsPerS times the syncs per operation that a trace counted
	// with as many clients.
	FsyncsPerS *float64 `json:"fsyncs_per_s"`
	// DeviceFlushesPerS is of the whole device while the row was measured.
	DeviceFlushesPerS *float64 `json:"device_flushes_per_s"`
	// SyncsChecked is true if a trace shows a sync between every request and its
	// reply, false if it does not, or a text that says why it was not looked at.
	SyncsChecked any `json:"syncs_checked"`
	// Tuned is what each value of the searched setting reached, in operations per second;
	// in an open loop its p99 in microseconds.
	Tuned map[string]float64 `json:"tuned,omitempty"`
	// ClientCPUPerOp is user and system time of the process of a server's clients,
	// and WALPerOp the bytes of log that the server wrote.
	ClientCPUPerOp *float64 `json:"client_cpu_us_per_op,omitempty"`
	WALPerOp       *float64 `json:"wal_bytes_per_op,omitempty"`
	Ratio          *Ratio   `json:"ratio,omitempty"`
	Extra
}

// Ratio compares a row with another of the same run.
type Ratio struct {
	To string `json:"to"`
	// Ops is operations per second, as the median of the ratios within each round;
	// P99 is of all latencies.
	Ops float64  `json:"ops_per_s"`
	P99 *float64 `json:"p99,omitempty"`
}

// ratio compares two rows.
func ratio(r, to *Result) *Ratio {
	var each []float64
	for i := range min(len(r.Rounds), len(to.Rounds)) {
		if to.Rounds[i] > 0 {
			each = append(each, r.Rounds[i]/to.Rounds[i])
		}
	}
	c := &Ratio{To: to.System, Ops: hundredths(load.Median(each))}
	if to.RowsKept != nil {
		c.To += fmt.Sprintf(" with %d rows", *to.RowsKept)
	}
	if r.P99 != nil && to.P99 != nil && *to.P99 > 0 {
		p99 := hundredths(*r.P99 / *to.P99)
		c.P99 = &p99
	}
	return c
}

func hundredths(f float64) float64 { return float64(int64(f*100+0.5)) / 100 }

// Extra is what only some scenarios have.
type Extra struct {
	Keys int `json:"keys,omitempty"`
	// OfferedPerS is the rate of arrivals in an open loop.
	OfferedPerS float64 `json:"offered_per_s,omitempty"`
	// RefusedPerS is how many calls per second were told that it is overloaded, and
	// RefusedP99 and RefusedMax how long they waited for that, in microseconds.
	RefusedPerS float64  `json:"refused_per_s,omitempty"`
	RefusedP99  *float64 `json:"refused_p99_us,omitempty"`
	RefusedMax  *float64 `json:"refused_max_us,omitempty"`
	// NormalAfter is how many seconds after the last of too many calls was answered
	// the latency of a few was what it had been.
	NormalAfter *float64 `json:"normal_after_seconds,omitempty"`
	// WriterOffered is how many writes per second arrived beside the row, half of
	// what the writer can do alone, and WriterPerS how many were answered.
	WriterOffered float64 `json:"writer_offered_per_s,omitempty"`
	WriterPerS    float64 `json:"writer_per_s,omitempty"`
	PeakRSS       int64   `json:"peak_rss_bytes,omitempty"`
	Memory        int64   `json:"memory_budget_bytes,omitempty"`
	// Slices are operations per second of equal stretches of the run, each of
	// SliceSeconds.
	Slices       []float64 `json:"ops_per_s_of_slices,omitempty"`
	SliceSeconds float64   `json:"slice_seconds,omitempty"`
	// P999Busy and P999Quiet are of the seconds in which tables of the state
	// were written or removed, and of the others.
	P999Busy  *float64 `json:"p999_us_flushing_or_compacting,omitempty"`
	P999Quiet *float64 `json:"p999_us_otherwise,omitempty"`
	// Replayed is how many transactions an opening found in the log only.
	Replayed int64 `json:"replayed,omitempty"`
	LogBytes int64 `json:"log_bytes,omitempty"`
	// IDs is how many of the callers' own IDs were remembered at the end, and LimitIDs
	// how many there may be: at the next one the row fails with Overloaded.
	IDs      uint64 `json:"ids_remembered,omitempty"`
	LimitIDs uint64 `json:"ids_limit,omitempty"`
	// FeedsHold is the resident memory that feeds add which wait for changes.
	FeedsHold int64 `json:"idle_feeds_bytes,omitempty"`
	// WritePause is the longest that writes have waited for a move of the database,
	// in microseconds, in the worst round.
	WritePause *float64 `json:"write_pause_us,omitempty"`
	// RowsKept is how many rows there were before the first round.
	RowsKept *int `json:"rows_kept,omitempty"`
	// Growth is the bytes of tables and indexes over time.
	Growth *Growth `json:"growth,omitempty"`
	// Level is which of several things that a visit measures a row is of: the level of
	// its reads. Stale is for how long what they returned had not been the newest
	// acknowledged value, in microseconds, in the worst round.
	Level    string   `json:"level,omitempty"`
	StaleP50 *float64 `json:"stale_p50_us,omitempty"`
	StaleP99 *float64 `json:"stale_p99_us,omitempty"`
	StaleMax *float64 `json:"stale_max_us,omitempty"`
	// PerCPUSecond is operations per second of processor time.
	PerCPUSecond float64 `json:"ops_per_cpu_s,omitempty"`
	Note         string  `json:"note,omitempty"`
}

// sum makes a row of the figures of its rounds.
func sum(system string, clients int, figures []Figure) Result {
	r := Result{System: system, Clients: clients, Settings: map[string]string{}, SyncsChecked: notChecked}
	var total Figure
	latencies := load.NewLatencies()
	for i := range figures {
		f := &figures[i]
		r.Rounds = append(r.Rounds, round(f.Rate()))
		r.Settings, r.CPUOf, r.Extra = f.Settings, f.Of, merge(r.Extra, f.Extra)
		total.Ops, total.Elapsed, total.CPU = total.Ops+f.Ops, total.Elapsed+f.Elapsed, total.CPU+f.CPU
		total.Written, total.Flushes = total.Written+max(0, f.Written), total.Flushes+max(0, f.Flushes)
		total.ClientCPU, total.WAL = total.ClientCPU+f.ClientCPU, total.WAL+f.WAL
		if f.Latencies != nil {
			latencies.Add(f.Latencies)
		}
	}
	r.OpsPerS = round(load.Median(r.Rounds))
	if latencies.Count() > 0 {
		r.P50, r.P99, r.P999 = micros(latencies, 0.5), micros(latencies, 0.99), micros(latencies, 0.999)
	}
	if total.Ops > 0 && r.CPUOf != "" {
		r.CPUPerOp = number(float64(total.CPU.Microseconds()) / float64(total.Ops))
	}
	if total.Ops > 0 && total.Written > 0 {
		r.BytesPerOp = number(float64(total.Written) / float64(total.Ops))
	}
	if total.Ops > 0 && total.ClientCPU > 0 {
		r.ClientCPUPerOp = number(float64(total.ClientCPU.Microseconds()) / float64(total.Ops))
	}
	if total.Ops > 0 && total.WAL > 0 {
		r.WALPerOp = number(float64(total.WAL) / float64(total.Ops))
	}
	if total.CPU > 0 && r.PerCPUSecond > 0 {
		r.PerCPUSecond = round(float64(total.Ops) / total.CPU.Seconds())
	}
	if total.Flushes > 0 {
		r.DeviceFlushesPerS = number(float64(total.Flushes) / total.Elapsed.Seconds())
	}
	return r
}

// merge keeps the highest peak, the stalest and the longest pause; all else is the same in every round, or the
// newest counts.
func merge(before, e Extra) Extra {
	e.PeakRSS = max(before.PeakRSS, e.PeakRSS)
	e.StaleP50, e.StaleP99, e.StaleMax = higher(before.StaleP50, e.StaleP50), higher(before.StaleP99, e.StaleP99), higher(before.StaleMax, e.StaleMax)
	e.WritePause = higher(before.WritePause, e.WritePause)
	e.FeedsHold = max(before.FeedsHold, e.FeedsHold)
	return e
}

func higher(a, b *float64) *float64 {
	if a != nil && b != nil && *a > *b {
		return a
	}
	return b
}

func micros(l *load.Latencies, q float64) *float64 {
	return number(float64(l.Quantile(q).Nanoseconds()) / 1e3)
}

func number(f float64) *float64 {
	f = round(f)
	return &f
}

// round keeps what a reader can use: tenths.
func round(f float64) float64 { return float64(int64(f*10+0.5)) / 10 }
