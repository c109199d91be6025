package anomaly

import "testing"

// TestSystems: each has its class, and those of Abadi's paper have his.
func TestSystems(t *testing.T) {
	for _, s := range Systems() {
		if len(s.PACELC()) != 5 || s.Why == "" || s.Source == "" || (s.Partition == "neither") != (s.CAP() == "") {
			t.Errorf("%+v: %s %s", s, s.CAP(), s.PACELC())
		}
	}
	for _, c := range []struct{ system, setting, class string }{
		{"cassandra", "ONE", "PA/EL"},
		{"pnuts", "timeline consistency", "PC/EL"},
		{"mongodb", "read concern local, w: 1, from the primary", "PA/EC"},
		{"dynamodb", "eventually consistent reads", "PA/EL"},
		{"spanner", "read-write transactions", "PC/EC"},
	} {
		found := false
		for _, s := range SystemsOf(c.system) {
			if s.Setting == c.setting {
				found = true
				if s.PACELC() != c.class {
					t.Errorf("%s, %s: %s, want %s", c.system, c.setting, s.PACELC(), c.class)
				}
			}
		}
		if !found {
			t.Errorf("%s has no setting %q", c.system, c.setting)
		}
	}
	if got := SystemsOf("nothing"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
