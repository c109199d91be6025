package pg_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wildClock says, of this process, which way its wall clock goes.
const wildClock = "MAINSTEM_WILD_CLOCK"

// wildly are the tests of all that is decided by time: who may have a claim or a
// lease, what is old enough to go, when a relay and its consumers look.
var wildly = []string{
	"TestPodsClockIsWild", "TestClaimFirst", "TestClaimWithoutAnswer", "TestHTTPRunsAgain", "TestHTTPWhileRunning", "TestRequests",
	"TestOnceWhileAnotherRuns", "TestLease", "TestLeases", "TestHold", "TestHoldIsRenewed", "TestPhantomLock", "TestSweep", "TestSweepBetweenSteps",
	"TestBacklogInSteps", "TestConsume", "TestPoison", "TestPatience", "TestTakeOver", "TestRelayOrder", "TestRelaySleeps", "TestStorm",
	"TestSessionWithoutAToken", "TestSessionWaitsForAReplica", "TestReplicaThatFails",
}

// TestWallTimeDecidesNothing is the cheap form of the next one: of what time.Now gives,
// this package compares and counts the monotonic part, and never takes the wall part
// out of it.
func TestWallTimeDecidesNothing(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 40 {
		t.Fatal(files, err)
	}
	use, may := regexp.MustCompile(`time\.Now\(\)\.(\w+)`), []string{"Add", "Sub", "Before", "After"}
	uses := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		uses += bytes.Count(source, []byte("time.Now()"))
		for _, m := range use.FindAllSubmatch(source, -1) {
			if !slices.Contains(may, string(m[1])) {
				t.Errorf("%s takes %s of a pod's clock", name, m[1])
			}
		}
	}
	if uses < 10 {
		t.Errorf("%d uses of a clock were looked at", uses)
	}
}

// TestPodsClockIsWild: the wall clock of a process may say what it likes. Those tests
// pass too where a day of it passes with every millisecond, and where it runs
// backwards as fast, while its monotonic part is right. So nothing is decided by the
// wall time of a pod; by the server's it may be.
func TestPodsClockIsWild(t *testing.T) {
	if os.Getenv(wildClock) != "" {
		began := time.Now()
		for time.Since(began) < 5*time.Millisecond {
			continue // the monotonic part is right
		}
		if passed := time.Now().Round(0).Sub(began.Round(0)).Abs(); passed < 4*24*time.Hour {
			t.Fatalf("within 5 ms the wall clock went by %s: it is not wild", passed)
		}
		return
	}
	running(t) // or it is not run
	if rounds, err := strconv.ParseFloat(os.Getenv("MAINSTEM_ROUNDS"), 64); err == nil && rounds < 1 {
		t.Skip("not run: it compiles the standard library anew, in a run with a fraction of the rounds; a whole run has it")
	}
	program := filepath.Join(t.TempDir(), "wild.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "-overlay", wildTime(t), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // so that it is compiled once, for a run with race too
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, sign := range map[string]string{"it races": "+", "it runs backwards": "-"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run", "^("+strings.Join(wildly, "|")+")$")
			cmd.Env = append(os.Environ(), wildClock+"="+sign, "MAINSTEM_SOAK=")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, name := range wildly {
				if !strings.Contains(string(out), "--- PASS: "+name+" ") {
					t.Errorf("%s did not run:\n%s", name, out)
				}
			}
		})
	}
}

// wildTime is an overlay for the go command in which the wall part of time.Now goes a
// day per millisecond, one way or the other, for fifty years, and then begins anew.
// (Go itself takes 1970 to be past.)
func wildTime(t *testing.T) (overlay string) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const importing = "\nimport (\n"
	now := regexp.MustCompile(`(?m)^func Now\(\) Time \{\n\tsec, nsec, mono := \w+\(\)\n`)
	if !now.Match(source) || !bytes.Contains(source, []byte(importing)) {
		t.Fatalf("%s does not begin time.Now as this test knows it", original)
	}
	source = bytes.Replace(source, []byte(importing), []byte(importing+"\t\"syscall\"\n"), 1)
	source = now.ReplaceAll(source, []byte("${0}\tsec += wild * (mono / 1e6 % 18000) * 86400\n"))
	source = fmt.Appendf(source, `
var wild = func() int64 {
	if sign, _ := syscall.Getenv(%q); sign == "-" {
		return -1
	}
	return 1
}()
`, wildClock)
	dir := t.TempDir()
	wild := filepath.Join(dir, "time.go")
	overlay = filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {original: wild}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{wild: source, overlay: list} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}
