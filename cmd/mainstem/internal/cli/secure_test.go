//go:build unix

package cli_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// want runs a command and wants its exit code, and text in what it says.
func want(t *testing.T, dir string, code int, text string, args ...string) ran {
	t.Helper()
	got := mainstem(t, dir, "", args...)
	if got.code != code || !strings.Contains(got.out+got.err, text) {
		t.Errorf("mainstem %s: exit code %d, want %d and %q; it says\n%s%s", strings.Join(args, " "), got.code, code, text, got.out, got.err)
	}
	return got
}

// save makes a token and puts it into a file.
func save(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	got := want(t, dir, 0, "mst_", append([]string{"token", "create", name}, args...)...)
	if err := os.WriteFile(filepath.Join(dir, name+".token"), []byte(got.out), 0o600); err != nil {
		t.Fatal(err)
	}
	policy, err := os.ReadFile(filepath.Join(dir, "tokens.yaml"))
	if err != nil || strings.Contains(string(policy), strings.TrimSpace(got.out)) || strings.Contains(got.err, "mst_") {
		t.Errorf("%v; the token is in the policy or in a message:\n%s%s", err, policy, got.err)
	}
}

func TestTokenCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want(t, dir, 3, "there is no policy", "token", "list")
	save(t, dir, "web", "--rights", "read,write", "--group", "shop", "--group", "orders-*", "--prefix", "a,b", "--expires", "720h")
	save(t, dir, "ship", "--rights", "feed", "--group", "*")
	info, err := os.Stat(filepath.Join(dir, "tokens.yaml"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the policy has mode %v, %v", info.Mode(), err)
	}
	list := want(t, dir, 0, "web  read,write on shop orders-* names a,b; token until 2", "token", "list")
	want(t, dir, 0, "ship  feed on *; token\n", "token", "list")
	wantJSON(t, "token list --json", want(t, dir, 0, `"groups":["shop","orders-*"],"prefixes":["a,b"]`, "token", "list", "--json").out)
	for _, wrong := range [][]string{
		{"web", "--rights", "read", "--group", "a"},
		{"x", "--rights", "nope", "--group", "a"},
		{"x", "--rights", "admin", "--group", "a"},
		{"x", "--rights", "read", "--group", "a*b"},
		{"x", "--rights", "read", "--group", "a", "--prefix", ""},
		{"x", "--rights", "read", "--group", "a", "--expires", "-1h"},
		{"x", "--rights", "read"},
		{"x", "--group", "a"},
	} {
		if got := mainstem(t, dir, "", append([]string{"token", "create"}, wrong...)...); got.code == 0 || got.out != "" {
			t.Errorf("token create %v: exit code %d, %q", wrong, got.code, got.out)
		}
	}
	if again := want(t, dir, 0, "", "token", "list"); again.out != list.out {
		t.Errorf("what was refused has changed the policy:\n%s", again.out)
	}
	want(t, dir, 0, "removed", "token", "remove", "web")
	want(t, dir, 3, "no client web", "token", "remove", "web")
	left, err := filepath.Glob(filepath.Join(dir, "*.new"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestTokensAtOnce: commands that change one policy at once lose nothing: each has
// either done it or said that it has not.
func TestTokensAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var work sync.WaitGroup
	made := map[string]bool{}
	for _, name := range strings.Fields("a b c d e f") {
		work.Go(func() {
			got := mainstem(t, dir, "", "token", "create", name, "--rights", "read", "--group", "g", "--json")
			mu.Lock()
			defer mu.Unlock()
			if made[name] = got.code == 0; got.code != 0 && !strings.Contains(got.err, `"held"`) {
				t.Errorf("%s: exit code %d, %s", name, got.code, got.err)
			}
		})
	}
	work.Wait()
	for line := range strings.Lines(want(t, dir, 0, "", "token", "list", "--json").out) {
		var one struct{ Name string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if !made[one.Name] {
			t.Errorf("%s is there, and its command failed", one.Name)
		}
		delete(made, one.Name)
	}
	for name, done := range made {
		if done {
			t.Errorf("%s was made, and is lost", name)
		}
	}
}

func TestCertDev(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want(t, dir, 0, "good until", "cert", "dev", "certs")
	before := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "certs"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		text, _ := os.ReadFile(name)
		before[name] = string(text)
		return err
	})
	if err != nil || len(before) != 6 {
		t.Fatalf("%d files, %v", len(before), err)
	}
	want(t, dir, 4, "nothing was written", "cert", "dev", "certs")
	for name, text := range before {
		if now, err := os.ReadFile(name); err != nil || string(now) != text {
			t.Errorf("%s was overwritten: %v", name, err)
		}
	}
}

// TestServeRefuses: it is refused before the directory is touched.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save(t, dir, "web", "--rights", "read", "--group", "a")
	want(t, dir, 0, "", "cert", "dev", "certs")
	for _, c := range []struct {
		text string
		args []string
	}{
		{"without a policy", []string{"--listen", "0.0.0.0:0"}},
		{"without a policy", []string{"--listen", "0.0.0.0:0", "--insecure", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem"}},
		{"without TLS", []string{"--listen", "0.0.0.0:0", "--policy", "tokens.yaml"}},
		{"denied: metrics: listening on [::]", []string{"--listen", "127.0.0.1:0", "--metrics", ":0"}},
		{"certificate and its key", []string{"--listen", "127.0.0.1:0", "--client-ca", "certs/ca.pem"}},
		{"no such file", []string{"--listen", "127.0.0.1:0", "--policy", "missing.yaml"}},
		{"has no field", []string{"--listen", "127.0.0.1:0", "--policy", "bad.yaml"}},
	} {
		if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("users: []\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := mainstem(t, dir, "", append([]string{"serve"}, c.args...)...)
		if got.code == 0 || !strings.Contains(got.err, c.text) {
			t.Errorf("serve %v: exit code %d, %s", c.args, got.code, got.err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "mainstem-data")); err == nil {
		t.Error("a server that may not listen has made a database")
	}
}

// TestServeSecured: a server with everything, and clients of every kind.
func TestServeSecured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want(t, dir, 0, "", "cert", "dev", "certs")
	save(t, dir, "web", "--rights", "read,write", "--group", "shop", "--prefix", "stock/")
	save(t, dir, "stranger", "--rights", "read", "--group", "shop")
	want(t, dir, 0, "", "token", "remove", "stranger")
	dev := "  - {name: dev, certificates: [{subject: CN=dev}], rules: [{rights: [read], groups: [\"*\"]}]}\n"
	policy, err := os.ReadFile(filepath.Join(dir, "tokens.yaml"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "tokens.yaml"), append(policy, dev...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, dir, "--listen", "0.0.0.0:0", "--policy", "tokens.yaml", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem",
		"--client-ca", "certs/ca.pem", "--client-cert-optional")
	url := "https://127.0.0.1" + s.address[strings.LastIndexByte(s.address, ':'):]
	client := func(args ...string) []string {
		return append(args, "--server", url, "--tls-ca", "certs/ca.pem")
	}
	want(t, dir, 0, "position 1", client("put", "shop/stock/a", "1", "--id", "stock/1", "--token-file", "web.token")...)
	want(t, dir, 0, "1", client("get", "shop/stock/a", "--token-file", "web.token")...)
	want(t, dir, 1, "denied", client("put", "shop/other", "1", "--token-file", "web.token")...)
	want(t, dir, 1, "denied", client("put", "other/stock/a", "1", "--token-file", "web.token")...)
	want(t, dir, 1, "denied", client("get", "shop/stock/a", "--token-file", "stranger.token")...)
	want(t, dir, 1, "denied", client("get", "shop/stock/a")...)
	want(t, dir, 0, "1", client("get", "shop/stock/a", "--tls-cert", "certs/client.pem", "--tls-key", "certs/client-key.pem")...)
	want(t, dir, 1, "denied", client("put", "shop/stock/a", "2", "--tls-cert", "certs/client.pem", "--tls-key", "certs/client-key.pem")...)
	want(t, dir, 0, "removed", "token", "remove", "web")
	if err := s.signal(syscall.SIGHUP); err != nil { // which ends a process that does not expect it
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for mainstem(t, dir, "", client("get", "shop/stock/a", "--token-file", "web.token")...).code == 0 {
		if time.Now().After(deadline) {
			t.Fatal("who was removed is still let in")
		}
	}
	_, said := s.stop(syscall.SIGTERM)
	for _, text := range []string{`"request refused","client":"web","right":"write","group":"shop"`, `"reason":"unknown"`, "policy loaded"} {
		if !strings.Contains(said, text) {
			t.Errorf("the log has no %s:\n%s", text, said)
		}
	}
	if strings.Contains(said, "mst_") || strings.Contains(said, "stock/a") {
		t.Errorf("the log has a token or a name:\n%s", said)
	}
}
