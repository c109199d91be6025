package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestHistoryAndChart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history.jsonl")
	elsewhere := &Report{Scenario: "cas", Results: []Result{{System: "mainstem", Clients: 64, OpsPerS: 9000}}}
	elsewhere.Machine.CPU = "another"
	if err := appendHistory(name, entry([]*Report{elsewhere})); err != nil {
		t.Fatal(err)
	}
	for day := range 3 {
		r := &Report{Scenario: "cas", Started: time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC), Commit: "c<0>", Missing: []Missing{{System: "redis", Why: "gone"}}}
		for _, system := range []string{"mainstem", "bbolt"} {
			r.Results = append(r.Results, Result{System: system, Clients: 64, OpsPerS: 1000 * float64(day+1), SyncsChecked: true})
		}
		if err := appendHistory(name, entry([]*Report{r})); err != nil {
			t.Fatal(err)
		}
	}
	chart := filepath.Join(t.TempDir(), "chart.svg")
	if code, _, said := bench(t, "-record", name, "-chart", chart); code != 0 {
		t.Fatal(said)
	}
	svg, err := os.ReadFile(chart)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(bytes.NewReader(svg))
	for err = error(nil); err == nil; {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("the chart is no XML: %v", err)
	}
	for _, want := range []string{"cas, 64 clients", "mainstem 3,000", "bbolt 3,000", "2026-01-01", "2026-01-03", "c&lt;0&gt;", "1 k", "10 k"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the chart lacks %q", want)
		}
	}
	if n := bytes.Count(svg, []byte("<circle")); n != 6 {
		t.Errorf("%d points, want two systems in three runs on the newest machine", n)
	}
	if len(draw(nil)) == 0 {
		t.Error("a history without runs draws nothing")
	}
	entries, err := readHistory(name)
	if err != nil || len(entries) != 4 || entries[3].Missing[0].Why != "cas: gone" {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}
