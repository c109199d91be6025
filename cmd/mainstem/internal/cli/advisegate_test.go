package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestAdviseGates: the gate file is YAML of its own, the same as the one that was reviewed; a
// description that is turned away has none, and one that is wrong is no gate file.
func TestAdviseGates(t *testing.T) {
	examples, err := filepath.Abs("../../../../examples/workloads")
	if err != nil {
		t.Fatal(err)
	}
	got := mainstem(t, t.TempDir(), "", "advise", filepath.Join(examples, "payments.yaml"), "--as", "gates")
	for _, want := range []string{"# Quality gates of payments", "name: never-1", "run: make payments-demo", "not_yet: "} {
		if got.code != 0 || !strings.Contains(got.out, want) {
			t.Errorf("exit code %d, without %s:\n%s%s", got.code, want, got.out, got.err)
		}
	}
	if got := mainstem(t, t.TempDir(), "", "advise", filepath.Join(examples, "brakes.yaml"), "--as", "gates"); got.code != 0 || !strings.Contains(got.out, "gates: []") {
		t.Errorf("turned away: exit code %d\n%s", got.code, got.out)
	}
	if got := mainstem(t, t.TempDir(), "consistancy: {}\n", "advise", "-", "--as", "gates"); got.code != 2 || got.out != "" {
		t.Errorf("a wrong description: exit code %d\n%s", got.code, got.out)
	}
	if got := mainstem(t, t.TempDir(), "", "advise", "-", "--as", "pdf"); got.code != 2 {
		t.Errorf("as pdf: exit code %d", got.code)
	}
}
