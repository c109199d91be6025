package control

import (
	"strconv"

	"github.com/mainstemdb/mainstem/advise/rules"
)

// leases are renewed at a third of their TTL.
func (s *setting) leases() {
	s.each("resources", func(at, name string) {
		if !s.known("the lease of "+name, at+".pause") {
			return
		}
		ttl := s.value(at + ".pause").Amount
		if ttl < 1e-3 {
			return
		}
		after, calc, ok := compute("lease", "nobody holds it after a crash, at most",
			[2]string{"ttl", input(ttl)}, [2]string{"renew", input(ttl / 3)}, [2]string{"poll", input(ttl / 10)}, [2]string{"pause", input(ttl)})
		if !ok {
			return
		}
		s.add(Control{
			Kind: Lease, Name: "lease", For: name, Value: "TTL " + s.value(at+".pause").Text + ", renewed every " + spoken(ttl/3) + "; after a crash free within " + after,
			Why:     "Two renewals may fail before it is lost. Whoever waits asks every tenth of it.",
			Formula: "renewal = TTL / 3; free after a crash: TTL + TTL / 10 at most", Calc: calc, Fields: []string{at + ".pause"},
			Assumes: []string{"the pause that is bearable is the TTL", "the token, not the TTL, keeps a late holder out"},
		}, "fencing")
	})
}

// derived data is watched by how far it is behind.
func (s *setting) derived() {
	s.each("derived", func(at, name string) {
		if !s.known("an alert on the lag of "+name, at+".staleness") {
			return
		}
		lag := s.value(at + ".staleness")
		if lag.Amount <= 0 {
			return
		}
		s.add(Control{
			Kind: Alert, Name: "lag", For: name, Value: "over " + lag.Text + "; a warning from " + spoken(lag.Amount/2),
			Why: "It may be that old, and no older.", Formula: "alert = what is bearable; warning = half of it", Fields: []string{at + ".staleness"},
		}, "derived-may-lag", "cqrs")
		if s.value(at+".kind").Text == "cache" {
			s.add(Control{
				Kind: Cache, Name: "expiry", For: name, Value: spoken(lag.Amount*0.9) + " to " + lag.Text + ", drawn for each entry; one loads, the others wait",
				Why: "Entries that are written together do not expire together, and one that expires is computed once.", Formula: "expiry = staleness x (0.9 to 1)",
				Assumes: []string{"an entry is as old as it may be when it expires"}, Fields: []string{at + ".staleness", at + ".kind"},
			}, "stampede", "derived-may-lag")
		}
	})
}

// burns are two alerts on the error budget: a share of it within a time.
var burns = []struct {
	name, within string
	times        float64
}{
	{"error budget, quickly", "2 % of the month's budget within an hour", 14.4},
	{"error budget, slowly", "5 % of the month's budget within six hours", 6},
}

func (s *setting) objectives() {
	for _, at := range []string{"p99", "p999"} {
		path := "objectives." + at
		if s.known("an alert on "+at, path) {
			s.add(Control{
				Kind: Alert, Name: at, For: "each operation", Value: "over " + s.value(path).Text + " for 5 m",
				Why: "It is the objective. An average does not show it.", Formula: "alert = objective", Assumes: []string{"five minutes have enough requests for it: some hundreds for p99, some thousands for p999"}, Fields: []string{path},
			}, "tail-of-the-slowest")
		}
	}
	if s.known("alerts on the error budget", "objectives.availability") {
		s.budget()
	}
	if lag, reads := s.value("observed.replication_lag"), s.replicas(); len(reads) > 0 {
		t, _ := rules.LookupThreshold("replication_lag")
		c := Control{
			Kind: Alert, Name: "replication lag", For: "replicas that are read", Value: "over " + t.Value,
			Why: "Reads from a replica are as old as it is behind.", Formula: "alert = the threshold above which replicas are called behind", Fields: reads,
		}
		if lag.Known {
			c.Why, c.Fields = c.Why+" It was measured as "+lag.Text+".", append(c.Fields, "observed.replication_lag")
		}
		s.add(c, "local-quorum", "session")
	}
}

func (s *setting) budget() {
	target := s.value("objectives.availability")
	if target.Amount >= 100 || target.Amount <= 0 {
		return
	}
	for _, b := range burns {
		failing := b.times * (100 - target.Amount)
		if failing >= 100 {
			continue
		}
		share := strconv.FormatFloat(failing, 'g', 6, 64) + " %"
		gone, calc, ok := compute("budget", "gone after", [2]string{"target", target.Text}, [2]string{"window", "30 d"}, [2]string{"failing", share})
		if !ok {
			continue
		}
		s.add(Control{
			Kind: Alert, Name: b.name, For: "each operation", Value: "over " + share + " of requests fail",
			Why:     "It spends " + b.within + "; all of it is gone after " + gone + ".",
			Formula: "share = burn rate x (1 - availability); burn rate = share of the budget x 30 d / time (Beyer et al., The Site Reliability Workbook, chapter 5)", Calc: calc,
			Assumes: []string{"a month has 30 days", "requests come evenly"}, Fields: []string{"objectives.availability"},
		})
	}
}

// replicas are the fields that say that replicas are read.
func (s *setting) replicas() (fields []string) {
	s.each("architecture.stores", func(at, _ string) {
		if s.value(at+".reads_from").Text == "replica" {
			fields = append(fields, at+".reads_from")
		}
	})
	return fields
}

// capacity is watched by how much is left, and how busy the busiest part is.
func (s *setting) capacity() {
	if s.known("an alert on free space", "load.growth") {
		growth := s.value("load.growth")
		if growth.Amount > 0 {
			s.add(Control{
				Kind: Alert, Name: "free space", For: "each copy", Value: "under " + bytes(30*growth.Amount),
				Why: "It leaves a month to get more.", Formula: "30 days x growth in a day", Assumes: []string{"growth stays as it is", "one copy; histories and indexes come on top"}, Fields: []string{"load.growth"},
			}, "headroom", "partition")
		}
	}
	if at := s.value("observed.utilisation"); at.Known {
		busy, _ := rules.LookupThreshold("busy")
		s.add(Control{
			Kind: Alert, Name: "utilisation", For: "the busiest part", Value: "over " + busy.Value,
			Why: "From there waiting grows much quicker than load. It was measured as " + at.Text + ".", Formula: "alert = the threshold from which a part is called busy", Fields: []string{"observed.utilisation"},
		}, "headroom")
	}
}

// bytes writes a size in decimal units, in three digits.
func bytes(n float64) string {
	for _, u := range []struct {
		unit float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.unit {
			return strconv.FormatFloat(n/u.unit, 'g', 3, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(n, 'g', 3, 64) + " B"
}
