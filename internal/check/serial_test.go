package check

import "testing"

// planted are histories with one anomaly each, and the name it must be given.
var planted = []struct {
	name string
	want string
	txs  []Transaction
}{
	{"dirty write", "G0", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1), Append("y", 1)}},
		{Name: "T2", Steps: []Step{Append("x", 2), Append("y", 2)}},
		{Name: "R", Steps: []Step{Read("x", 1, 2), Read("y", 2, 1)}},
	}},
	{"aborted read", "G1a", []Transaction{
		{Name: "T1", Outcome: Aborted, Steps: []Step{Append("x", 1)}},
		{Name: "T2", Steps: []Step{Read("x", 1)}},
	}},
	{"intermediate read", "G1b", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1), Append("x", 2)}},
		{Name: "T2", Steps: []Step{Read("x", 1)}},
		{Name: "R", Steps: []Step{Read("x", 1, 2)}},
	}},
	{"circular information flow", "G1c", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1), Read("y", 2)}},
		{Name: "T2", Steps: []Step{Append("y", 2), Read("x", 1)}},
	}},
	{"lost update", "G-single", []Transaction{
		{Name: "T0", Steps: []Step{Append("x", 1)}},
		{Name: "T1", Steps: []Step{Read("x", 1), Append("x", 2)}},
		{Name: "T2", Steps: []Step{Read("x", 1), Append("x", 3)}},
		{Name: "R", Steps: []Step{Read("x", 1, 2, 3)}},
	}},
	{"read skew", "G-single", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1), Append("y", 1)}},
		{Name: "T2", Steps: []Step{Read("x"), Read("y", 1)}},
		{Name: "R", Steps: []Step{Read("x", 1), Read("y", 1)}},
	}},
	{"fuzzy read", "incompatible", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1)}},
		{Name: "T2", Steps: []Step{Read("x", 1)}},
		{Name: "T3", Steps: []Step{Append("x", 2)}},
		{Name: "T4", Steps: []Step{Read("x", 2, 1)}},
	}},
	{"write skew", "G2", []Transaction{
		{Name: "T1", Steps: []Step{Read("x"), Read("y"), Append("x", 1)}},
		{Name: "T2", Steps: []Step{Read("x"), Read("y"), Append("y", 2)}},
		{Name: "R", Steps: []Step{Read("x", 1), Read("y", 2)}},
	}},
	{"write skew that nobody read", "G2", []Transaction{
		{Name: "T1", Steps: []Step{Read("y"), Append("x", 1)}},
		{Name: "T2", Steps: []Step{Read("x"), Append("y", 2)}},
	}},
	{"phantom", "G2", []Transaction{ // a scan is a read of every list that could be there
		{Name: "T1", Steps: []Step{Read("r1"), Read("r2"), Read("r3"), Append("r1", 1)}},
		{Name: "T2", Steps: []Step{Read("r1"), Read("r2"), Read("r3"), Append("r2", 2)}},
		{Name: "R", Steps: []Step{Read("r1", 1), Read("r2", 2), Read("r3")}},
	}},
	{"own write not seen", "internal", []Transaction{{Name: "T1", Steps: []Step{Append("x", 1), Read("x")}}}},
	{"committed twice", "duplicate", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1)}}, {Name: "R", Steps: []Step{Read("x", 1, 1)}},
	}},
	{"out of nowhere", "garbage", []Transaction{{Name: "R", Steps: []Step{Read("x", 7)}}}},
	{"stale read", "G-single-realtime", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1)}, Start: 1, End: 2},
		{Name: "T2", Steps: []Step{Read("x")}, Start: 3, End: 4},
		{Name: "R", Steps: []Step{Read("x", 1)}, Start: 5, End: 6},
	}},
	{"lost write", "G-single-realtime", []Transaction{
		{Name: "T1", Steps: []Step{Append("x", 1)}, Start: 1, End: 2},
		{Name: "R", Steps: []Step{Read("x")}, Start: 5, End: 6},
	}},
}

func TestPlantedAnomaliesAreNamed(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			found := Serializable(p.txs, true)
			if len(found) == 0 || found[0].Name != p.want {
				t.Errorf("found %v, want %s first", found, p.want)
			}
		})
	}
}

func TestSoundHistoriesPass(t *testing.T) {
	for name, txs := range map[string][]Transaction{
		"empty": nil,
		"one after the other": {
			{Name: "T1", Steps: []Step{Append("x", 1), Append("x", 2), Read("x", 1, 2)}, Start: 1, End: 2},
			{Name: "T2", Steps: []Step{Read("x", 1, 2), Append("x", 3), Append("y", 1)}, Start: 3, End: 4},
			{Name: "R", Steps: []Step{Read("x", 1, 2, 3), Read("y", 1)}, Start: 5, End: 6},
		},
		"undecided and there": {
			{Name: "T1", Outcome: Undecided, Steps: []Step{Append("x", 1)}, Start: 1},
			{Name: "R", Steps: []Step{Read("x", 1)}, Start: 5, End: 6},
		},
		"undecided and not there": {
			{Name: "T1", Outcome: Undecided, Steps: []Step{Append("x", 1)}, Start: 1},
			{Name: "R", Steps: []Step{Read("x")}, Start: 5, End: 6},
		},
		"aborted and not there": {
			{Name: "T1", Outcome: Aborted, Steps: []Step{Append("x", 1)}}, {Name: "R", Steps: []Step{Read("x")}},
		},
		"read before an append that began earlier": {
			{Name: "T1", Steps: []Step{Append("x", 1)}, Start: 1, End: 9},
			{Name: "T2", Steps: []Step{Read("x")}, Start: 2, End: 3},
			{Name: "R", Steps: []Step{Read("x", 1)}, Start: 10, End: 11},
		},
	} {
		if found := Serializable(txs, true); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
