package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatIf shows where decisions flip, to the last microsecond.
func TestWhatIf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "consistency: {strong: yes, coordination_bearable: yes}\nregions: {count: 3}\nobjectives: {p99: 50 ms, p999: 80 ms}\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"regions.round_trip", "1 ms..1 s"}, []string{"now unknown", "from 1 ms to 50 ms\n", "over 50 ms to 1 s\n", "+ contradiction round-trip-over-objective"}},
		{[]string{"objectives.p99", "10 ms,90 ms"}, []string{"90 ms\n  cannot be: "}},
		{[]string{"consistency.strong"}, []string{"yes\n  decided: linearizable", "no\n  - decision linearizable", "unknown\n"}},
		{[]string{"data.retention", "1 d..2 d"}, []string{"nothing flips in this range"}},
		{[]string{"scope.computation_bound", "no,yes"}, []string{"+ boundary computation: Pure computation"}},
	} {
		got := mainstem(t, dir, "", append([]string{"advise", "what-if", "shop.yaml"}, c.args...)...)
		if got.code != 0 || got.err != "" {
			t.Errorf("%v: exit code %d, %s", c.args, got.code, got.err)
		}
		for _, want := range c.want {
			if !strings.Contains(got.out, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, got.out)
			}
		}
	}
	got := mainstem(t, dir, text, "advise", "what-if", "-", "regions.round_trip", "1 ms..1 s", "--json")
	wantJSON(t, "advise what-if", got.out)
	if strings.Count(got.out, "\n") != 2 || !strings.Contains(got.out, `"rule":"round-trip-over-objective"`) {
		t.Errorf("%s%s", got.out, got.err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{`did you mean "observed.p99"?`, []string{"shop.yaml", "observed.p98"}},
		{"give a range, FROM..TO", []string{"shop.yaml", "observed.p99"}},
		{"1 has no unit", []string{"shop.yaml", "observed.p99", "1..2"}},
		{"write the lower end first", []string{"shop.yaml", "observed.p99", "1 s..1 ms"}},
		{"is none of its values", []string{"shop.yaml", "load.access", "x,y"}},
		{`there is no description "nothing.yaml"`, []string{"nothing.yaml", "load.access"}},
	} {
		got := mainstem(t, dir, "", append([]string{"advise", "what-if"}, c.args...)...)
		if got.code == 0 || !strings.Contains(got.err, c.want) || got.out != "" {
			t.Errorf("%v: exit code %d, %s, want %s", c.args, got.code, got.err, c.want)
		}
	}
}
