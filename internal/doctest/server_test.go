package doctest

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const serverPage = "docs/guides/server.md"

// running starts a server of an empty directory for one test, and returns its
// address.
func running(t *testing.T) string {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin+"/mainstem", "serve", "--dir", t.TempDir(), "--listen", "127.0.0.1:0")
	cmd.Env = []string{"HOME=" + t.TempDir()}
	address := started(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // how it ended is below
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	return address
}

// started starts a server and waits until it says where it is.
func started(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server said nothing: %v", err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), " on ")
	return address
}

// blocksFor are the blocks of the server's page for one language, with the address
// of a server in place of the one that is printed.
func blocksFor(t *testing.T, address string, langs ...string) map[string][]block {
	t.Helper()
	found := map[string][]block{}
	for _, b := range blocksOf(serverPage, strings.ReplaceAll(page(t, serverPage), "http://127.0.0.1:7171", address)) {
		found[b.lang] = append(found[b.lang], b)
	}
	for _, lang := range langs {
		if len(found[lang]) == 0 {
			t.Fatalf("%s has lost its %s block", serverPage, lang)
		}
	}
	return found
}

// TestServerFromGo does what the page tells somebody with a Go service: beside a
// clone, with its program and its commands.
func TestServerFromGo(t *testing.T) {
	t.Parallel()
	blocks := blocksFor(t, running(t), "go main.go", "console go")
	dir := besideClone(t)
	write(t, dir+"/main.go", blocks["go main.go"][0].body)
	for _, problem := range repeat(t, blocks["console go"], dir, fetched(t)...) {
		t.Error(problem)
	}
}

// TestServerFromTypeScript runs the example as the page says, on a copy, and holds
// what the page shows of it to the file.
func TestServerFromTypeScript(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("not run: " + name + " is not installed, which runs the TypeScript of the server's page")
		}
	}
	shown := blocksFor(t, "http://127.0.0.1:7171", "ts")["ts"][0]
	program, err := os.ReadFile(root + "/examples/typescript/main.ts")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(program), shown.body) {
		t.Errorf("%s:%d: examples/typescript/main.ts has no such lines", shown.page, shown.line)
	}
	address := running(t)
	cache, err := exec.Command("npm", "config", "get", "cache").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, withoutPackages(t, root+"/examples/typescript")); err != nil {
		t.Fatal(err)
	}
	env := []string{"npm_config_cache=" + strings.TrimSpace(string(cache)), "MAINSTEM_SERVER=" + address}
	problems := repeat(t, blocksFor(t, address, "console typescript")["console typescript"], dir, env...)
	for _, word := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT"} {
		if strings.Contains(strings.Join(problems, "\n"), word) && !strings.Contains(strings.Join(problems, "\n"), address) {
			t.Skip("not run: npm cannot reach the registry of its packages")
		}
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}

// withoutPackages is a directory without what npm has put there.
func withoutPackages(t *testing.T, dir string) *onlyOurs {
	t.Helper()
	absolute, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &onlyOurs{os.DirFS(absolute)}
}

// onlyOurs is a file system without what was installed or compiled.
type onlyOurs struct{ fs.FS }

// ReadDir is part of fs.ReadDirFS.
func (o *onlyOurs) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "node_modules" || e.Name() == "out" }), err
}
