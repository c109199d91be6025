package tidy

import (
	"fmt"
	"strings"
	"testing"
)

// A dependency lives in the rooms that need it and nowhere else. The first
// line that fits an import decides. Modules of their own (cmd/mainstem, bench,
// examples, tools) are listed where they share a dependency with the library;
// what else they import is between them and their go.mod.
var dependencies = []struct {
	path  string // this import and all below it
	rooms []string
	tests bool // test files of every room too
}{
	{"github.com/cockroachdb/pebble/v2/vfs", []string{"internal/disk", "internal/store"}, false},
	{"github.com/cockroachdb/pebble", []string{"internal/store"}, false},
	{"github.com/prometheus/client_golang", []string{"pg", "observe", "observe/serving", "cmd/mainstem/internal/cli", "examples/shop"}, true},
	{"go.opentelemetry.io/otel/sdk", []string{"cmd/mainstem/internal/cli", "examples/shop"}, true}, // exporters belong to programs
	{"go.opentelemetry.io/otel", []string{"pg", "observe", "internal/traceparent", "cmd/mainstem/internal/cli", "examples/shop", "tools/pictures"}, true},
	{"github.com/jackc/pgx/v5", []string{"pg", "engine/postgres", "pgcluster", "internal/outbox", "internal/pgtest", "cmd/mainstem/internal/*", "bench/internal/*", "examples/payments", "examples/payments/internal/*", "cmd/mainstem/internal/decided/*"}, true},
	{"github.com/klauspost/compress", []string{"internal/backup"}, false},
	{"github.com/minio/minio-go/v7", []string{"blob/s3"}, false},
	{"connectrpc.com/connect", []string{"proto/mainstem/v1/mainstemv1connect", "internal/wire", "server", "remote"}, true},
	{"connectrpc.com", []string{"server"}, true},
	{"google.golang.org/protobuf", []string{"proto/mainstem/v1", "internal/wire", "server", "tools/pictures"}, true},
	{"github.com/failsafe-go/failsafe-go", []string{"remote"}, false},
	{"golang.org/x/sys", []string{"internal/disk", "node", "cmd/mainstem", "cmd/mainstem/internal/*"}, false},
	{"github.com/anishathalye/porcupine", []string{"internal/check", "cmd/mainstem/internal/*"}, true},
	{"go.yaml.in/yaml/v3", []string{"cmd/mainstem/internal/cli", "access", "advise/workload", "advise/rules", "advise/anomaly", "advise/numbers", "advise/gate"}, true},
	{"github.com/modelcontextprotocol/go-sdk", []string{"advise/assistant", "cmd/mainstem/internal/cli"}, true},
	{"charm.land/huh/v2", []string{"cmd/mainstem/internal/cli"}, false},
	{"charm.land/bubbletea/v2", []string{"cmd/mainstem/internal/cli"}, false},
	{"github.com/creack/pty", nil, true},
	{"github.com/charmbracelet/x/vt", nil, true},
	{"github.com/santhosh-tekuri/jsonschema/v6", nil, true},
	{"github.com/cockroachdb/datadriven", nil, true},
	{"go.uber.org/goleak", nil, true},
	{"pgregory.net/rapid", nil, true},
}

// ownModules have a go.mod of their own.
var ownModules = []string{
	"cmd/mainstem", "cmd/mainstem/*", "cmd/mainstem/internal/*", "cmd/mainstem/internal/decided/*", "bench", "bench/internal/*",
	"pg/kafka", "pg/jetstream", "engine/jetstream", "blob/s3", "advise", "advise/*", "examples/*", "examples/*/internal/*", "tools/*",
}

// rooms holds every import from outside to the table. The root package has
// none: it is the vocabulary, and everyone pays for its imports.
func rooms(t *tree) (bad []violation) {
	for _, f := range t.goFiles() {
		for _, spec := range f.ast.Imports {
			p := strings.Trim(spec.Path.Value, `"`)
			if !outside(p) || under(p, modulePath) {
				continue
			}
			if what := outsider(f, p); what != "" {
				bad = append(bad, t.at(f, spec, what,
					"use it where it lives (dependencies, internal/tidy/room_test.go), or do without"))
			}
		}
	}
	return bad
}

// outsider says what is wrong with an import from outside, if anything is.
func outsider(f *file, p string) string {
	if f.dir() == "." && !f.isTest() {
		return fmt.Sprintf("the root package imports %s, not only the standard library", p)
	}
	for _, d := range dependencies {
		if !under(p, d.path) {
			continue
		}
		if fits(d.rooms, f.dir()) || d.tests && f.isTest() {
			return ""
		}
		return fmt.Sprintf("%s may not import %s", f.path, p)
	}
	if fits(ownModules, f.dir()) {
		return ""
	}
	return fmt.Sprintf("%s is a dependency without a room", p)
}

// outside is true of imports that are not the standard library.
func outside(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return strings.Contains(first, ".")
}

func under(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

func TestRoomGoesRed(t *testing.T) {
	imports := func(p string) string { return "package a\n\nimport (\n\t_ \"fmt\"\n\t_ \"" + p + "\"\n)\n" }
	const pebble, vfs = "github.com/cockroachdb/pebble/v2", "github.com/cockroachdb/pebble/v2/vfs"
	red(t, rooms, plant{
		"a.go":                         imports("golang.org/x/sys/unix"),
		"a_test.go":                    imports("pgregory.net/rapid"),
		"cmd/mainstem/internal/c/a.go": imports("github.com/alecthomas/kong"),
		"engine/file/a.go":             imports(vfs),
		"engine/file/a_test.go":        imports(vfs),
		"engine/file/b.go":             imports("go.uber.org/goleak"),
		"engine/file/b_test.go":        imports("go.uber.org/goleak"),
		"internal/disk/a.go":           imports(vfs),
		"internal/disk/b.go":           imports(pebble),
		"internal/store/a.go":          imports(pebble + "/sstable"),
		"node/a.go":                    imports("github.com/pkg/errors"),
	},
		"a.go:5: the root package imports golang.org/x/sys/unix",
		"engine/file/a.go:5: engine/file/a.go may not import",
		"engine/file/a_test.go:5: engine/file/a_test.go may not import",
		"engine/file/b.go:5: engine/file/b.go may not import",
		"internal/disk/b.go:5: internal/disk/b.go may not import",
		"node/a.go:5: github.com/pkg/errors is a dependency without a room")
}
