package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// printTable prints a report for people.
func printTable(out io.Writer, r *Report) error {
	m := r.Machine
	fmt.Fprintf(out, "%s: %s\n", r.Scenario, r.About)
	fmt.Fprintf(out, "%d cores (%s), %d MiB, %s, Linux %s, %s, load %.1f; %g s per row in %d rounds\n\n",
		m.Cores, m.CPU, m.MemoryMiB, m.Filesystem, m.Kernel, m.Go, m.Load1, r.Seconds, r.Rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "clients\tops/s\tp50 µs\tp99 µs\tp999 µs\tcpu µs/op\tbytes/op\tfsyncs/s\tsynced\t  system")
	for i := range r.Results {
		row := &r.Results[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", row.Clients, thousands(row.OpsPerS), cell(row.P50), cell(row.P99), cell(row.P999),
			cell(row.CPUPerOp), cell(row.BytesPerOp), cell(row.FsyncsPerS), synced(row.SyncsChecked), row.System+remarks(row))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printSettings(out, r)
	for _, m := range r.Missing {
		fmt.Fprintf(out, "missing: %s: %s\n", m.System, m.Why)
	}
	for _, f := range r.Failed {
		fmt.Fprintf(out, "failed: %s, %d clients: %s\n", f.System, f.Clients, f.Error)
	}
	printAims(out, r.Aims)
	fmt.Fprintln(out)
	return nil
}

// printSettings prints each system's settings once for all rows that share them.
func printSettings(out io.Writer, r *Report) {
	fmt.Fprintln(out)
	printed := map[string]bool{}
	for i := range r.Results {
		row := &r.Results[i]
		var words []string
		for _, name := range slices.Sorted(maps.Keys(row.Settings)) {
			words = append(words, name+"="+row.Settings[name])
		}
		line := fmt.Sprintf("%s, cpu of %s: %s", row.System, row.CPUOf, strings.Join(words, "; "))
		if row.CPUOf == "" {
			line = fmt.Sprintf("%s: %s", row.System, strings.Join(words, "; "))
		}
		if !printed[line] {
			printed[line] = true
			fmt.Fprintln(out, line)
		}
		if len(row.Tuned) > 0 {
			fmt.Fprintf(out, "  at %d clients the best of %s\n", row.Clients, rates(row.Tuned))
		}
	}
}

func rates(tuned map[string]float64) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(tuned)) {
		words = append(words, name+": "+thousands(tuned[name])+"/s")
	}
	return strings.Join(words, ", ")
}

// remarks is what only some scenarios have to say of a row.
func remarks(row *Result) (s string) {
	add := func(format string, args ...any) { s += ", " + fmt.Sprintf(format, args...) }
	addLoad(row, add)
	addHeld(row, add)
	if row.Note != "" {
		add("%s", row.Note)
	}
	return s
}

// addLoad says what came, and how it was answered.
func addLoad(row *Result, add func(format string, args ...any)) {
	if row.Level != "" {
		add("%s", row.Level)
	}
	if row.Keys > 0 {
		add("%s keys", thousands(float64(row.Keys)))
	}
	if row.OfferedPerS > 0 {
		add("%s/s offered", thousands(row.OfferedPerS))
	}
	if row.RefusedPerS > 0 {
		add("%s/s refused, p99 %s µs, at most %s", thousands(row.RefusedPerS), cell(row.RefusedP99), cell(row.RefusedMax))
	}
	if row.NormalAfter != nil {
		add("normal after %s s", cell(row.NormalAfter))
	}
	if row.WriterPerS > 0 {
		add("%s of %s writes/s beside", thousands(row.WriterPerS), thousands(row.WriterOffered))
	}
	if row.StaleP99 != nil {
		add("stale by p99 %s µs, at most %s", cell(row.StaleP99), cell(row.StaleMax))
	}
	if row.PerCPUSecond > 0 {
		add("%s per second of processor time", thousands(row.PerCPUSecond))
	}
	if n := len(row.Slices); n > 1 {
		add("last slice %.0f %% of the first", 100*row.Slices[n-1]/max(1, row.Slices[0]))
	}
	if row.P999Busy != nil {
		add("p999 %s µs while tables change, %s otherwise", cell(row.P999Busy), cell(row.P999Quiet))
	}
	if row.ClientCPUPerOp != nil {
		add("clients' cpu %s µs/op", cell(row.ClientCPUPerOp))
	}
	if row.Ratio != nil {
		add("%.2f of %s", row.Ratio.Ops, row.Ratio.To)
		if row.Ratio.P99 != nil {
			add("its p99 times %.2f", *row.Ratio.P99)
		}
	}
	if row.WritePause != nil {
		add("writes wait for at most %s µs", cell(row.WritePause))
	}
}

// addHeld says what was kept, in memory, on the disk and by the rules.
func addHeld(row *Result, add func(format string, args ...any)) {
	if row.PeakRSS > 0 {
		add("peak RSS %d MiB, budget %d MiB", row.PeakRSS>>20, row.Memory>>20)
	}
	if row.Replayed > 0 {
		add("%s transactions replayed of a log of %d MiB", thousands(float64(row.Replayed)), row.LogBytes>>20)
	}
	if row.RowsKept != nil {
		add("%s rows kept", thousands(float64(*row.RowsKept)))
	}
	if row.WALPerOp != nil {
		add("WAL %s bytes/op", cell(row.WALPerOp))
	}
	if row.Growth != nil {
		add("%s", row.Growth)
	}
	if row.LimitIDs > 0 {
		add("%s of %s IDs remembered", thousands(float64(row.IDs)), thousands(float64(row.LimitIDs)))
	}
	if row.FeedsHold > 0 {
		add("idle feeds hold %d MiB", row.FeedsHold>>20)
	}
}

func synced(checked any) string {
	switch c := checked.(type) {
	case bool:
		if c {
			return "yes"
		}
		return "NO"
	default:
		return "-"
	}
}

func cell(f *float64) string {
	if f == nil {
		return "-"
	}
	return thousands(*f)
}

// thousands writes 1234567 as 1,234,567, and small numbers with a tenth.
func thousands(f float64) string {
	if f < 100 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	s := strconv.FormatInt(int64(f+0.5), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
