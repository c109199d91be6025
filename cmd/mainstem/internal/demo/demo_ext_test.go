package demo_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/cli"
	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// TestMain lets the test binary be mainstem: the demo starts its own program
// again as the process that it kills.
func TestMain(m *testing.M) {
	if os.Getenv("MAINSTEM_TEST_BINARY") != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// promises are the figures that must be zero or yes, in both audited runs.
type promises struct {
	Purchases      int     `json:"purchases"`
	SoldOut        int     `json:"sold_out"`
	Kills          int     `json:"kills"`
	Replayed       int     `json:"retries_answered_replayed"`
	AckedLost      int     `json:"acked_lost"`
	Duplicated     int     `json:"duplicated"`
	Oversold       int     `json:"oversold"`
	Linearizable   string  `json:"linearizable"`
	UnavailableP99 float64 `json:"unavailable_p99_ms"`
}

// hold runs the demo, and holds its report to the promises.
func hold(t *testing.T, kills int, args ...string) (first, cas promises, naive int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append([]string{"demo", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, errs.String(), out.String())
	}
	var report struct {
		promises
		NaiveOversold *int     `json:"naive_oversold"`
		CAS           promises `json:"cas"`
		Seed          uint64   `json:"seed"`
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	t.Logf("seed %d: %s", report.Seed, out.String())
	for name, p := range map[string]promises{"floor": report.promises, "compare-and-set": report.CAS} {
		if p.AckedLost != 0 || p.Duplicated != 0 || p.Oversold != 0 || p.Linearizable != "yes" {
			t.Errorf("seed %d: %s: a promise is broken: %+v", report.Seed, name, p)
		}
		// How many calls a kill cuts off after their commit is chance; that each
		// acknowledged one is answered again as at first is in AckedLost.
		if p.Kills != kills || p.SoldOut == 0 || p.Replayed > p.Purchases/2 || p.UnavailableP99 > 250 {
			t.Errorf("seed %d: %s: %+v; want %d kills, something sold out, few replayed", report.Seed, name, p, kills)
		}
	}
	if report.NaiveOversold != nil {
		naive = *report.NaiveOversold
	}
	return report.promises, report.CAS, naive
}

func TestInventory(t *testing.T) {
	first, _, naive := hold(t, 2, "--seconds", "3", "--kills", "2")
	if first.Purchases != 6000 {
		t.Errorf("%d purchases, want 6000", first.Purchases)
	}
	if naive == 0 {
		t.Error("the naive way oversold nothing: then the demo shows nothing")
	}
}

func TestInventoryUnderPowerCuts(t *testing.T) {
	hold(t, 3, "--seconds", "2", "--kills", "3", "--power", "--no-naive")
}

// fraction: a run with less than all rounds, as under the race detector.
func fraction() bool {
	rounds, err := strconv.ParseFloat(os.Getenv("MAINSTEM_ROUNDS"), 64)
	return err == nil && rounds < 1
}

// TestServerIsKilled: the promises hold for clients of a server, over TCP.
func TestServerIsKilled(t *testing.T) {
	kills := 3
	if fraction() {
		kills = 1
	}
	hold(t, kills, "--server", "--power", "--seconds", "2", "--kills", strconv.Itoa(kills), "--no-naive")
}

// TestNodesAreKilledAndCutOff: the promises hold for clients of three nodes.
func TestNodesAreKilledAndCutOff(t *testing.T) {
	if fraction() {
		t.Skip("not run: the demo on three nodes, in a run with a fraction of the rounds; a whole run has it, and other tests have nodes")
	}
	server, err := pgserver.Start(t.Context(), pgserver.Config{})
	if errors.Is(err, pgserver.ErrMissing) {
		t.Skip("not run: " + err.Error())
	}
	if err == nil {
		err = server.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	ways := []string{"auto"} // as it says: in namespaces where they are possible
	if os.Getenv("MAINSTEM_SOAK") != "" {
		ways = []string{"namespaces", "proxies"}
	}
	for _, cuts := range ways {
		hold(t, 2, "--cluster", "postgres", "--cuts", cuts, "--seconds", "1", "--kills", "2", "--no-naive")
	}
}

func TestInventoryWithRealPurchases(t *testing.T) {
	if fraction() {
		t.Skip("not run: the demo with real purchases, in a run with a fraction of the rounds; a whole run has it")
	}
	file, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "..", "shared", "data", "groceries.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Skip("not run: the demo with real purchases: ../shared/data/groceries.csv is not beside the repository")
	}
	first, _, _ := hold(t, 10, "--kills", "10", "--seconds", "5", "--no-naive", "--orders", file)
	if first.Purchases != 38765 {
		t.Errorf("%d purchases, want one for each of 38,765 rows", first.Purchases)
	}
}

// TestInventoryReportsABrokenDatabase: a database that does not open after a
// kill is the demo's finding, told in a whole report.
func TestInventoryReportsABrokenDatabase(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	keep := filepath.Join(t.TempDir(), "kept")
	// Under this seed the kill comes late, so that the file is overwritten by then.
	cmd := exec.Command(exe, "demo", "--seconds", "1", "--kills", "1", "--no-naive", "--keep", keep, "--shoppers", "8", "--seed", "1")
	cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1", "NO_COLOR=1")
	var out strings.Builder
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(errs)
	if _, err := said.ReadString('\n'); err != nil { // the shoppers begin; the kill comes later
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keep, "floor", "database", "mainstem.json"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is below
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(rest), "promise_broken") {
		t.Errorf("exit code %d, %s", code, rest)
	}
	for _, want := range []string{"broken: kill 1 of 1", "did not start", "compare-and-set", "--seed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in the report:\n%s", want, out.String())
		}
	}
}

// TestInventoryRefusesWhatWouldTakeForEver: more kills than fit into the run.
func TestInventoryRefusesWhatWouldTakeForEver(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "demo", "--kills", "21", "--seconds", "2")
	cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1")
	out, _ := cmd.CombinedOutput() // its exit code is below
	if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(out), "20 do") {
		t.Errorf("exit code %d, %s", code, out)
	}
}

// TestInventoryKeys holds the report to exactly the keys it is documented with.
func TestInventoryKeys(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	keep := filepath.Join(t.TempDir(), "kept")
	cmd := exec.Command(exe, "demo", "inventory", "--json", "--seconds", "1", "--kills", "0", "--no-naive", "--keep", keep, "--seed", "7", "--shoppers", "8")
	cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var report map[string]json.RawMessage
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	figures := strings.Fields("acked_lost duplicated kills linearizable oversold p50_ms p999_ms p99_ms purchases recovery_ms_max " +
		"retries_answered_replayed sold_out throughput_per_s unavailable_p99_ms")
	want := append(slices.Clone(figures), "cas", "naive_oversold", "seed")
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(report)); !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	var cas map[string]json.RawMessage
	if err := json.Unmarshal(report["cas"], &cas); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(cas)); !slices.Equal(got, figures) {
		t.Errorf("keys of cas %v, want %v", got, figures)
	}
	if string(report["retries_answered_replayed"]) != "0" {
		t.Errorf("%s retries without a kill", report["retries_answered_replayed"])
	}
	if string(report["naive_oversold"]) != "null" || string(report["seed"]) != "7" {
		t.Errorf("naive_oversold %s, seed %s", report["naive_oversold"], report["seed"])
	}
	for _, name := range []string{"floor.acknowledged", "floor/database", "compare-and-set.acknowledged"} {
		if _, err := os.Stat(filepath.Join(keep, name)); err != nil {
			t.Error(err)
		}
	}
}
