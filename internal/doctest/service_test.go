package doctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
)

// TestServiceOnPostgreSQL does what the start page tells somebody who has a service:
// beside a clone, with the page's program, its change and its commands, as they are
// printed but for the port.
func TestServiceOnPostgreSQL(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"psql", "curl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("not run: " + name + " is not installed, with which the page looks at its service")
		}
	}
	server := pgtest.Start(t, pgserver.Config{Settings: []string{"fsync=off"}})
	text := strings.ReplaceAll(page(t, "docs/start.md"), "localhost:8080", free(t))
	before, change, commands := service(t, blocksOf("docs/start.md", text))
	after, changed, err := apply(before.body, change.body)
	if err != nil {
		t.Fatalf("docs/start.md:%d: %v", change.line, err)
	}
	if changed > 15 {
		t.Errorf("the change adds %d lines; the page promises fifteen", changed)
	}
	dir := besideClone(t)
	write(t, dir+"/main.go", after)
	for _, problem := range repeat(t, commands, dir, environment(t, server)...) {
		t.Error(problem)
	}
	write(t, dir+"/main.go", before.body)
	vet := exec.Command("go", "vet", ".")
	vet.Dir = dir
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("the handler as it was: %v\n%s", err, out)
	}
}

// free is an address on the loopback interface that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
}

// service picks the program, its change, and what is done.
func service(t *testing.T, all []block) (program, change block, commands []block) {
	t.Helper()
	for _, b := range all {
		switch b.lang {
		case "go main.go":
			program = b
		case "diff main.go":
			change = b
		case "console postgres":
			commands = append(commands, b)
		}
	}
	if program.body == "" || change.body == "" || len(commands) < 2 {
		t.Fatal("the start page has lost its service")
	}
	return program, change, commands
}

// besideClone is an empty directory that has the repository beside it.
func besideClone(t *testing.T) string {
	t.Helper()
	parent := t.TempDir()
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(repository, parent+"/mainstem"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(parent+"/shop", 0o755); err != nil {
		t.Fatal(err)
	}
	return parent + "/shop"
}

// environment is how commands reach the server, and what go has fetched already.
func environment(t *testing.T, server *pgserver.Server) (env []string) {
	t.Helper()
	for setting := range strings.FieldsSeq(server.DSN()) {
		name, value, _ := strings.Cut(setting, "=")
		env = append(env, "PG"+map[string]string{"host": "HOST", "port": "PORT", "user": "USER", "dbname": "DATABASE"}[name]+"="+value)
	}
	return append(env, fetched(t)...)
}

// fetched is how go finds what it has fetched and built already.
func fetched(t *testing.T) (env []string) {
	t.Helper()
	for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return env
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// apply changes a text as a diff says, whose parts are divided by lines with "@@",
// and counts the lines that it adds.
func apply(text, diff string) (changed string, added int, err error) {
	for part := range strings.SplitSeq(diff, "@@\n") {
		var from, to strings.Builder
		for line := range strings.Lines(part) {
			if line[0] != '+' {
				from.WriteString(line[1:])
			} else {
				added++
			}
			if line[0] != '-' {
				to.WriteString(line[1:])
			}
		}
		if n := strings.Count(text, from.String()); n != 1 {
			return "", added, fmt.Errorf("this part of the change fits %d places:\n%s", n, part)
		}
		text = strings.Replace(text, from.String(), to.String(), 1)
	}
	return text, added, nil
}

func TestApplyGoesRed(t *testing.T) {
	changed, added, err := apply("a\nb\nc\n", " a\n-b\n+x\n+y\n@@\n c\n+d\n")
	if changed != "a\nx\ny\nc\nd\n" || added != 3 || err != nil {
		t.Errorf("%q, %d, %v", changed, added, err)
	}
	if _, _, err := apply("a\na\n", " a\n+b\n"); err == nil {
		t.Error("a change that fits two places is applied")
	}
}
