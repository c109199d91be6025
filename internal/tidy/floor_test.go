package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// floors says which packages of ours a package may import, tests apart. It
// reads from the ground up: a line names only lines above it, so imports
// point down. A new package gets a line here first; if none fits, it is in
// the wrong place.
var floors = []struct {
	room string
	may  []string
}{
	{".", nil},
	{"internal/tidy", nil},
	{"internal/invariant", nil},
	{"internal/breaklaw", nil},
	{"internal/disk", nil},
	{"internal/tally", nil},
	{"internal/traceparent", nil},
	{"blob", nil},
	{"blob/blobtest", []string{"blob"}},
	{"blob/dir", []string{"blob", "internal/disk"}},
	{"blob/s3", []string{"blob"}},
	{"journal", []string{".", "blob", "internal/tally"}},
	{"internal/record", []string{".", "journal", "internal/invariant", "internal/breaklaw"}},
	{"journal/journaltest", []string{".", "journal", "internal/disk"}},
	{"internal/sharedlog", []string{"journal"}},
	{"engine/*", []string{".", "blob", "journal", "internal/disk", "internal/tally", "internal/invariant", "internal/breaklaw"}},
	{"internal/state", []string{".", "journal", "internal/record", "internal/invariant", "internal/breaklaw"}},
	{"internal/backup", []string{".", "blob", "journal", "internal/record", "internal/state"}},
	{"internal/store", []string{".", "journal", "internal/record", "internal/state", "internal/disk", "internal/invariant", "internal/breaklaw"}},
	{"node", []string{
		".", "blob", "journal", "internal/backup", "internal/record", "internal/state", "internal/store",
		"internal/disk", "internal/tally", "internal/invariant", "internal/breaklaw",
	}},
	{"embedded", []string{".", "blob", "journal", "engine/*", "node", "internal/disk", "internal/record", "internal/backup", "internal/state", "internal/store"}},
	{"proto/mainstem/v1", nil},
	{"proto/mainstem/v1/mainstemv1connect", []string{"proto/mainstem/v1"}},
	{"internal/wire", []string{".", "proto/mainstem/v1"}},
	{"internal/spelling", nil},
	{"server", []string{".", "journal", "internal/spelling", "internal/traceparent", "internal/wire", "proto/mainstem/v1", "proto/mainstem/v1/mainstemv1connect"}},
	{"remote", []string{".", "internal/traceparent", "internal/wire", "proto/mainstem/v1", "proto/mainstem/v1/mainstemv1connect"}},
	{"observe", []string{".", "node", "embedded", "internal/tally", "internal/traceparent"}},
	{"lease", []string{"."}},
	{"session", []string{"."}},
	{"access", []string{"."}},
	{"observe/serving", []string{".", "access", "server"}},
	{"internal/process", nil},
	{"internal/netns", nil},
	{"internal/smalldisk", nil},
	{"internal/proxy", nil},
	{"internal/pipe", nil},
	{"internal/pgserver", []string{"internal/process"}},
	{"internal/pgtest", []string{"internal/pgserver"}},
	{"internal/natsserver", []string{"internal/process"}},
	{"internal/s3server", []string{"internal/process"}},
	{"pg", []string{".", "internal/traceparent"}},
	{"pg/webhook", []string{".", "pg"}},
	{"internal/cloudevent", []string{".", "pg"}},
	{"pg/kafka", []string{".", "pg", "internal/cloudevent"}},
	{"pg/jetstream", []string{".", "pg", "internal/cloudevent"}},
	{"pgcluster", []string{".", "journal", "internal/record", "engine/*", "node", "embedded", "pg"}},
	{"internal/outbox", []string{".", "pg", "internal/pgserver"}},
	{"internal/model", []string{"."}}, // an independent judge shares nothing with what it judges
	{"internal/check", nil},
	{"internal/sim", []string{"*"}},
	{"internal/laws", []string{"*"}},
	{"mainstemtest", []string{".", "journal", "engine/*", "node", "embedded", "server", "remote", "internal/disk"}},
	{"advise/workload", nil},
	{"advise/rules", []string{"advise/workload"}},
	{"advise/anomaly", nil},
	{"advise/numbers", nil},
	{"advise/model", []string{"advise/workload", "advise/rules"}},
	{"advise/control", []string{"advise/workload", "advise/rules", "advise/numbers"}},
	{"advise", []string{"advise/workload", "advise/rules", "advise/anomaly", "advise/numbers", "advise/model", "advise/control"}},
	{"advise/gate", []string{"advise", "advise/control", "advise/model", "advise/rules"}},
	{"advise/program", []string{"advise", "advise/model", "advise/rules", "advise/workload"}},
	{"advise/flow", []string{"advise/model"}},
	{"advise/page", []string{"advise", "advise/flow", "advise/rules"}},
	{"advise/ask", []string{"advise/workload", "advise/rules"}},
	{"advise/sweep", []string{"advise", "advise/workload", "advise/rules"}},
	{"advise/prometheus", []string{"advise/workload"}},
	{"advise/assistant", []string{"advise", "advise/workload", "advise/rules", "advise/numbers", "advise/ask", "advise/sweep"}},
	{"advise/page", []string{"advise", "advise/rules"}},
	{"cmd/mainstem", []string{"*"}},
	{"cmd/mainstem/internal/*", []string{"*"}},
	{"cmd/mainstem/internal/decided/*", []string{".", "embedded", "lease", "pg"}}, // programs that advise writes: what a user may import
	{"examples/payments/internal/pace", nil},
	{"examples/payments/internal/wire", nil},
	{"examples/payments/internal/audit", nil}, // it shares nothing with what it judges
	{"examples/payments/internal/client", []string{"examples/payments/internal/pace", "examples/payments/internal/wire"}},
	{"examples/payments/internal/provider", []string{"examples/payments/internal/pace", "examples/payments/internal/wire"}},
	{"examples/payments/internal/handwritten", []string{
		"examples/payments/internal/pace", "examples/payments/internal/provider", "examples/payments/internal/wire",
	}},
	{"examples/payments/internal/service", []string{
		".", "pg", "examples/payments/internal/pace", "examples/payments/internal/provider", "examples/payments/internal/wire",
	}},
	{"examples/payments", []string{"*"}}, // it starts servers, kills them, and asks the audit
	{"examples/shop", []string{".", "remote", "observe", "mainstemtest"}},
	{"examples/*", []string{".", "embedded", "lease", "mainstemtest"}},
	{"bench", []string{"*"}},
	{"bench/internal/*", []string{"*"}},
	{"tools/*", nil},
}

// floorRule holds every import of ours to the table.
func floorRule(t *tree) (bad []violation) {
	unknown := map[string]bool{}
	for _, f := range t.sourceFiles() {
		may, ok := floorOf(f.dir())
		if !ok && !unknown[f.dir()] {
			unknown[f.dir()] = true
			bad = append(bad, t.at(f, f.ast.Name, "package "+f.dir()+" has no floor",
				"give it a line in floors, internal/tidy/floor_test.go"))
		}
		for _, spec := range f.ast.Imports {
			to, ours := ourImport(spec)
			if !ok || !ours || fits(may, to) {
				continue
			}
			bad = append(bad, t.at(f, spec, fmt.Sprintf("%s may not import %s", f.dir(), to),
				"move the code down, or pass what you need from above"))
		}
	}
	return bad
}

func floorOf(dir string) (may []string, ok bool) {
	for _, fl := range floors {
		if fits([]string{fl.room}, dir) {
			return fl.may, true
		}
	}
	return nil, false
}

// fits matches a room against patterns of path.Match; "*" alone is any room.
func fits(patterns []string, room string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, room)
		return p == "*" || ok && err == nil
	})
}

// ourImport is the directory of an import, if the import is ours.
func ourImport(spec *ast.ImportSpec) (dir string, ours bool) {
	p := strings.Trim(spec.Path.Value, `"`)
	if p == modulePath {
		return ".", true
	}
	return strings.CutPrefix(p, modulePath+"/")
}

func TestFloorGoesRed(t *testing.T) {
	imports := func(name, p string) string { return "package " + name + "\n\nimport _ \"" + modulePath + p + "\"\n" }
	red(t, floorRule, plant{
		"a.go":                   imports("mainstem", "/journal"),
		"a_test.go":              imports("mainstem", "/embedded"),
		"engine/file/a.go":       imports("file", "/journal"),
		"engine/file/b.go":       imports("file", "/internal/store"),
		"internal/state/a.go":    imports("state", "/node"),
		"internal/store/a.go":    imports("store", "/internal/state"),
		"internal/store/b.go":    imports("store", "/journal/journaltest"),
		"journal/a.go":           imports("journal", ""),
		"lease/a.go":             imports("lease", "/embedded"),
		"nowhere/a.go":           imports("nowhere", ""),
		"nowhere/b.go":           imports("nowhere", ""),
		"cmd/mainstem/main.go":   imports("main", "/node"),
		"examples/transfer/a.go": imports("main", "/node"),
	},
		"a.go:3: . may not import journal",
		"engine/file/b.go:3: engine/file may not import internal/store",
		"examples/transfer/a.go:3: examples/transfer may not import node",
		"internal/state/a.go:3: internal/state may not import node",
		"internal/store/b.go:3: internal/store may not import journal/journaltest",
		"lease/a.go:3: lease may not import embedded",
		"nowhere/a.go:1: package nowhere has no floor")
}

// TestFloorsPointDown holds the table itself to its promise.
func TestFloorsPointDown(t *testing.T) {
	for i, fl := range floors {
		for _, m := range fl.may {
			below := slices.ContainsFunc(floors[:i], func(b struct {
				room string
				may  []string
			},
			) bool {
				return b.room == m
			})
			if m != "*" && !below {
				t.Errorf("%s may import %s, which is not below it: move a line", fl.room, m)
			}
		}
	}
}
