package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mainstemdb/mainstem/bench/internal/meter"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// commandVariable asks a process of this test to be the command, with these arguments.
const commandVariable = "MAINSTEM_BENCH_TEST"

// TestMain lets the test's program be the process of a visit or of a server, as the
// command is.
func TestMain(m *testing.M) {
	if spec := os.Getenv(wildVariable); spec != "" {
		os.Exit(rageOn(spec, os.Stdin, os.Stdout))
	}
	if dir := os.Getenv(peer.ServeVariable); dir != "" {
		os.Exit(peer.Serve(dir, os.Stdin, os.Stdout))
	}
	if job := os.Getenv(peer.NodeVariable); job != "" {
		os.Exit(peer.BeNode(job, os.Stdin, os.Stdout))
	}
	if os.Getenv(visitVariable) != "" {
		os.Exit(serveVisit(os.Stdin, os.Stdout))
	}
	if line := os.Getenv(commandVariable); line != "" {
		os.Exit(command(context.Background(), strings.Fields(line), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// scratch is on the file system of the sources: the usual place for temporary
// files may be memory, where nothing is ever synced.
func scratch(t *testing.T) string {
	t.Helper()
	const dir = "../.tmp"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if fs := meter.Filesystem(dir); fs == "tmpfs" || fs == "ramfs" {
		t.Skip("not run: the sources are on " + fs + ", which syncs nothing; check them out on a disk")
	}
	return dir
}

// bench runs one command line and returns what it printed.
func bench(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var o, s bytes.Buffer
	code = command(t.Context(), args, &o, &s)
	return code, o.String(), s.String()
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// report runs a scenario and holds what it prints to the schema.
func report(t *testing.T, s *jsonschema.Schema, args ...string) *Report {
	t.Helper()
	code, out, said := bench(t, append(args, "-json", "-dir", scratch(t))...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

// ownTests are scenarios that TestPageOfLevels and TestRequestsAreCompared run.
var ownTests = []string{"levels", "pg-request"}

// TestEveryScenario runs each for a moment, on Mainstem and bbolt.
func TestEveryScenario(t *testing.T) {
	s := schema(t)
	t.Run("all", func(t *testing.T) {
		for i := range scenarios {
			if sc := &scenarios[i]; !slices.Contains(ownTests, sc.name) {
				t.Run(sc.name, func(t *testing.T) { forAMoment(t, s, sc) })
			}
		}
	})
	left, err := filepath.Glob(filepath.Join(scratch(t), ".bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// forAMoment runs a scenario on Mainstem and bbolt.
func forAMoment(t *testing.T, s *jsonschema.Schema, sc *scenario) {
	if sc.name != "overload" { // who is polite there is to get something beside a crowd, and not beside others
		t.Parallel()
	}
	clients, rounds := "4", "1"
	if sc.name == "cas" {
		clients, rounds = "4,16", "2"
	}
	r := report(t, s, "-scenario", sc.name, "-clients", clients, "-seconds", "0.06", "-rounds", rounds, "-peers", "bbolt",
		"-keys", "200", "-rates", "500", "-fill", "1000", fmt.Sprintf("-check=%t", sc.name == "append"))
	has := func(system string) bool {
		return slices.ContainsFunc(r.Results, func(row Result) bool { return row.System == system })
	}
	ours := func(row Result) bool {
		return strings.HasPrefix(row.System, "mainstem") || strings.HasPrefix(row.System, "pg.")
	}
	if sc.shared && missingPostgres(r) {
		t.Skip("not run: there is no PostgreSQL here; Debian's package is postgresql")
	}
	if !slices.ContainsFunc(r.Results, ours) {
		t.Error("no row of Mainstem")
	}
	named := slices.ContainsFunc(r.Missing, func(m Missing) bool { return m.System == "bbolt" })
	if has("bbolt") == named {
		t.Errorf("bbolt has a row: %t, is named as missing: %t", has("bbolt"), named)
	}
	for _, row := range r.Results {
		if b, ok := row.SyncsChecked.(bool); ok && !b {
			t.Errorf("%s answered before it had synced", row.System)
		}
		own := row.System == "mainstem, callers' IDs"
		if own != (row.IDs > uint64(row.OpsPerS*0.06) && row.LimitIDs == 50_000_000) || own != strings.Contains(row.Settings["ids"], "at most 50000000") {
			t.Errorf("%s remembers %d IDs of %d: %s", row.System, row.IDs, row.LimitIDs, row.Settings["ids"])
		}
		if row.System == "bbolt" && sc.name != "get" && !isBest(&row) {
			t.Errorf("with %d clients, bbolt's delay is %q, the best of %v", row.Clients, row.Settings["MaxBatchDelay"], row.Tuned)
		}
	}
}

// isBest reports whether bbolt ran with the delay that did most of five, or, where all
// do the same rate, answered first.
func isBest(row *Result) bool {
	own, best := row.Tuned[row.Settings["MaxBatchDelay"]], slices.Max(slices.Collect(maps.Values(row.Tuned)))
	if row.OfferedPerS > 0 {
		best = slices.Min(slices.Collect(maps.Values(row.Tuned)))
	}
	return len(row.Tuned) == 5 && own == best && own > 0
}

func missingPostgres(r *Report) bool {
	return len(r.Results) == 0 && slices.ContainsFunc(r.Missing, func(m Missing) bool { return strings.Contains(m.Why, "postgresql") })
}

// TestRequestsAreCompared: every system pays on the same server, and is held
// against the one that is written by hand.
func TestRequestsAreCompared(t *testing.T) {
	t.Parallel()
	r := report(t, schema(t), "-scenario", "pg-request", "-clients", "2", "-seconds", "0.4", "-rounds", "2", "-check=false")
	if missingPostgres(r) {
		t.Skip("not run: there is no PostgreSQL here; Debian's package is postgresql")
	}
	var systems []string
	for _, row := range r.Results {
		systems = append(systems, row.System)
		if row.WALPerOp == nil || row.ClientCPUPerOp == nil || *row.WALPerOp < 200 {
			t.Errorf("%s: WAL %v, clients' processor time %v", row.System, row.WALPerOp, row.ClientCPUPerOp)
		}
		if c := row.Ratio; row.System != yardstick && (c == nil || c.To != yardstick || c.Ops <= 0 || c.P99 == nil) {
			t.Errorf("%s is compared as %+v", row.System, c)
		}
	}
	if want := []string{"pg.Run", "pg.Once", "pg.Begin", "handwritten", "river"}; !slices.Equal(systems, want) {
		t.Errorf("rows of %v, want %v", systems, want)
	}
}

// TestSyncsAreChecked: where strace is, the check says yes or no of those who
// write, in so many words.
func TestSyncsAreChecked(t *testing.T) {
	t.Parallel()
	r := report(t, schema(t), "-scenario", "cas", "-clients", "2", "-seconds", "0.1", "-rounds", "1", "-peers", "bbolt", "-keys", "20")
	notRun := ""
	for _, row := range r.Results {
		switch c := row.SyncsChecked.(type) {
		case bool:
			if !c || row.FsyncsPerS == nil || *row.FsyncsPerS == 0 {
				t.Errorf("%s: checked %v, %v syncs per second", row.System, c, row.FsyncsPerS)
			}
		case string:
			if !strings.Contains(c, "strace") {
				t.Errorf("%s: %s", row.System, c)
			}
			notRun = c
		}
	}
	if notRun != "" {
		t.Skip("not run: the check of syncs: " + notRun)
	}
}

// TestMissingIsNamed: a server that is not there is said to be missing, and
// everybody else is measured.
func TestMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := report(t, schema(t), "-scenario", "cas", "-clients", "1", "-seconds", "0.05", "-rounds", "1", "-peers", "redis", "-keys", "10")
	if len(r.Missing) != 1 || r.Missing[0].System != "redis" || !strings.Contains(r.Missing[0].Why, "redis-server") {
		t.Errorf("missing: %v, want redis-server", r.Missing)
	}
	if len(r.Results) != 1 || r.Results[0].SyncsChecked == true {
		t.Errorf("results: %+v, want Mainstem, unchecked without strace", r.Results)
	}
	if len(r.Results) == 1 && r.Results[0].FsyncsPerS != nil {
		t.Error("syncs per second are given, and were not counted")
	}
}

func TestMistakesAreExplained(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "-scenario"},
		{"-scenario dance", `no scenario is called "dance"; there are: cas, counter`},
		{"-scenario cas -peers oracle", `no system is called "oracle"; there are: mainstem-server, mainstem-on-postgres`},
		{"-scenario cas -clients 0", "-clients must be"},
		{"-scenario cas -clients 1,x", `"x" is no number`},
		{"-scenario growth -keys 100,10", "-keys must grow"},
		{"-scenario cas -seconds -1", "-seconds"},
		{"-scenario cas -chart x.svg", "-record"},
		{"-scenario cas more", `"more" is no flag`},
		{"-dance", "-dance"},
	} {
		code, _, said := bench(t, strings.Fields(c.line)...)
		if code != 2 || !strings.Contains(said, c.want) {
			t.Errorf("%q: exit code %d, %q; want 2 and %q", c.line, code, said, c.want)
		}
	}
	if code, _, said := bench(t, "-h"); code != 0 || !strings.Contains(said, "go run . -scenario cas") {
		t.Errorf("-h: exit code %d, %q", code, said)
	}
}

// TestJSONIsAlone: the process prints one object, and nothing beside it.
func TestJSONIsAlone(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), commandVariable+"=-scenario cas -clients 2 -seconds 0.05 -rounds 1 -peers bbolt,redis,etcd -keys 10 -check=false -json -dir "+scratch(t))
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(out)) // refuses what comes after an object
	if err == nil {
		err = schema(t).Validate(doc)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTable: the figures, the settings and the aims are in what people read, and the
// rows were visited in turns.
func TestTable(t *testing.T) {
	t.Parallel()
	code, out, said := bench(t, "-scenario", "cas", "-clients", "1", "-seconds", "0.1", "-rounds", "2", "-peers", "bbolt,floor-sync",
		"-keys", "20", "-check=false", "-dir", scratch(t))
	if code != 0 {
		t.Fatal(said)
	}
	for _, want := range []string{"ops/s", "p999", "mainstem", "MaxBatchDelay=", "the best of", "floor-sync", "as Mainstem wrote", "\naim: 1 client, p50 of mainstem at most 1.3 times floor-sync: "} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	var visits []string
	for _, v := range regexp.MustCompile(`round (\d of 2: \S+),`).FindAllStringSubmatch(said, -1) {
		visits = append(visits, v[1])
	}
	want := []string{"1 of 2: mainstem", "1 of 2: bbolt", "1 of 2: floor-sync", "2 of 2: bbolt", "2 of 2: mainstem", "2 of 2: floor-sync"}
	if !slices.Equal(visits, want) {
		t.Errorf("visited %q, want %q", visits, want)
	}
}

// firstRound cancels a run once its first row is measured.
type firstRound struct{ cancel context.CancelFunc }

func (f firstRound) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("round 1 of 9")) {
		f.cancel()
	}
	return len(p), nil
}

// TestInterrupted: a run that is cut off ends, and nothing of it stays.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir, err := os.MkdirTemp(scratch(t), "interrupted-") //nolint:usetesting // see scratch
	if err != nil {
		t.Fatal(err)
	}
	// The first row is measured for a tenth of a second, and then there are 17 to come.
	args := strings.Fields("-scenario cas -clients 2 -seconds 0.9 -rounds 9 -peers floor-sync -keys 20 -dir " + dir)
	if code := command(ctx, args, io.Discard, firstRound{cancel}); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if err := os.Remove(dir); err != nil {
		t.Errorf("something is left: %v", err)
	}
}
