package anomaly

import (
	"errors"
	"testing"
)

func TestSourceOrTable(t *testing.T) {
	all := func(a Answer, except ...string) map[string]Answer {
		m := map[string]Answer{}
		for _, p := range SourcingPoints() {
			m[p.Name] = a
		}
		for _, name := range except {
			delete(m, name)
		}
		return m
	}
	ledger := all(No)
	for _, name := range []string{"audit", "time_travel", "replay", "intent", "rules_over_history", "subscribers", "experience"} {
		ledger[name] = Yes
	}
	forms := all(No)
	forms["simple_forms"], forms["ad_hoc_queries"] = Yes, Yes
	shop := all(No)
	for _, name := range []string{"audit", "replay", "subscribers", "views"} {
		shop[name] = Yes
	}
	for name, c := range map[string]struct {
		answers map[string]Answer
		want    string
		settled bool
	}{
		"ledger": {ledger, "event_sourcing", true}, "forms": {forms, "table", true}, "shop": {shop, "table_with_events", true},
		"nothing known": {nil, "table", false},
	} {
		got, err := SourceOrTable(c.answers)
		if err != nil || got.Advice != c.want || got.Settled != c.settled || got.Least > got.Points || got.Points > got.Most {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// Unknown is neither yes nor no, and the bounds hold for either.
	for _, p := range SourcingPoints() {
		if p.Yes == p.No || p.Because == "" {
			t.Errorf("%s decides nothing", p.Name)
		}
		open, err := SourceOrTable(all(Yes, p.Name))
		if err != nil || len(open.Unknown) != 1 {
			t.Fatalf("%+v, %v", open, err)
		}
		for _, a := range []Answer{Yes, No} {
			said := all(Yes)
			said[p.Name] = a
			got, err := SourceOrTable(said)
			if err != nil || got.Points < open.Least || got.Points > open.Most {
				t.Errorf("%s %s: %d is outside %d to %d, %v", p.Name, a, got.Points, open.Least, open.Most, err)
			}
			if open.Settled && got.Advice != open.Advice {
				t.Errorf("%s %s: %s was settled as %s", p.Name, a, got.Advice, open.Advice)
			}
		}
	}
	var unknown *UnknownError
	for _, bad := range []map[string]Answer{{"audits": Yes}, {"audit": "maybe"}, {"audit": Partly}} {
		if _, err := SourceOrTable(bad); !errors.As(err, &unknown) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
