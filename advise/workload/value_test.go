package workload

import (
	"strings"
	"testing"
)

func TestParseAmounts(t *testing.T) {
	for _, c := range []struct {
		path, text string
		want       float64
	}{
		{"objectives.p99", "150 ms", 0.15},
		{"objectives.p99", "2s", 2},
		{"objectives.rpo", "0 s", 0},
		{"data.retention", "7 y", 7 * 365 * 86400},
		{"operations[].rate", "200/s", 200},
		{"operations[].rate", "120/m", 2},
		{"operations[].size", "3 KiB", 3072},
		{"operations[].size", "1.5 kB", 1500},
		{"operations[].share", "100 %", 100},
		{"operations[].share", "0%", 0},
		{"quorum.n", "3", 3},
	} {
		f, _ := Lookup(c.path)
		v, err := f.Parse(c.text)
		if err != nil || !v.Known || v.Amount != c.want || v.Text != c.text {
			t.Errorf("%s %q = %v %v, want %v", c.path, c.text, v.Amount, err, c.want)
		}
	}
}

// TestParseRefuses has what people write when they are in a hurry, and a
// part of the message that helps them.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ path, text, want string }{
		{"objectives.p99", "500", "has no unit; a duration is written like 150 ms"},
		{"objectives.p99", "500 MS", `did you mean "ms"?`},
		{"objectives.p99", "2 sec", `did you mean "s"?`},
		{"operations[].rate", "200 rps", `did you mean "/s"?`},
		{"operations[].share", "80 percent", `did you mean "%"?`},
		{"operations[].size", "2 seconds", `"s" is no unit of a size`},
		{"objectives.p99", "500 mss", `did you mean "ms"?`},
		{"objectives.p99", "3601 s", "over the limit of 1h; is it in the wrong unit?"},
		{"objectives.p99", "-5 ms", "below zero"},
		{"objectives.p99", "1,5 s", "has a comma"},
		{"objectives.p99", "1_000 ms", "no number"},
		{"objectives.p99", "fast", "no number with a unit"},
		{"objectives.p99", "NaN s", "no number"},
		{"objectives.p99", "1e999 s", "no number"},
		{"operations[].rate", "0/s", "never happens"},
		{"operations[].rate", "250 ms", "is a duration, and this is a rate"},
		{"operations[].rate", "250", "has no unit"},
		{"operations[].size", "200/s", "is a rate, and this is a size"},
		{"operations[].size", "1e30 B", "larger than anything"},
		{"operations[].share", "120 %", "more than all of it"},
		{"operations[].share", "100.001 %", "more than all of it"},
		{"operations[].share", "0.8", "has no unit; a percentage is written like 80 %"},
		{"quorum.n", "0", "under the limit of 1"},
		{"quorum.n", "1001", "over the limit of 1000"},
		{"quorum.n", "2.5", "no whole number"},
		{"quorum.n", "3 copies", "no unit"},
		{"consistency.strong", "maybe", "neither yes nor no"},
		{"architecture.stores[].engine", "postgres", `did you mean "postgresql"?`},
		{"about.purpose", "a\nb", "one line"},
		{"about.purpose", strings.Repeat("x", LimitText+1), "1001 characters, more than 1000"},
	} {
		f, _ := Lookup(c.path)
		if v, err := f.Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q = %v, %v\nwant an error with %q", c.path, c.text, v, err, c.want)
		}
	}
	f, _ := Lookup("about.purpose")
	if _, err := f.Parse(strings.Repeat("é", LimitText)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestUnknownIsNeither(t *testing.T) {
	f, _ := Lookup("consistency.strong")
	for _, text := range []string{"", "unknown", "  unknown "} {
		if v, err := f.Parse(text); err != nil || v.Known || v.Yes() || v.No() || v.String() != Unknown {
			t.Errorf("%q = %+v, %v", text, v, err)
		}
	}
}

// TestWrittenIsRead: what Write writes, Parse reads to the same amount.
func TestWrittenIsRead(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		amount float64
		want   string
	}{
		{Duration, 0, "0 s"},
		{Duration, 0.5, "500 ms"},
		{Duration, 0.500001, "500.001 ms"},
		{Duration, 1e-6, "1 us"},
		{Duration, 60, "1 m"},
		{Duration, 90, "1.5 m"},
		{Duration, 7 * 365 * 86400, "2555 d"},
		{Rate, 200, "200/s"},
		{Rate, 0.25, "0.25/s"},
		{Size, 0, "0 B"},
		{Size, 400, "400 B"},
		{Size, 2.5e9, "2.5 GB"},
		{Percent, 0, "0 %"},
		{Percent, 99.95, "99.95 %"},
		{Number, 3, "3"},
	} {
		got := c.kind.Write(c.amount)
		if v, err := (Field{Kind: c.kind}).Parse(got); got != c.want || err != nil || v.Amount != c.amount {
			t.Errorf("%s %v is written %q and read as %v, %v; want %q", c.kind, c.amount, got, v.Amount, err, c.want)
		}
	}
}
