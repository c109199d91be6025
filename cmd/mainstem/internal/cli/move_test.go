//go:build unix

package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	db "github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/natsserver"
	"github.com/mainstemdb/mainstem/remote"
)

// traffic counts and reads through servers while something happens to them.
type traffic struct {
	stop    chan struct{}
	all     sync.WaitGroup
	mu      sync.Mutex
	added   int64
	longest time.Duration
}

// busy has writers add one to a counter at a time, each at a server of its own, and
// read it back: what one has added it never reads less of (L8).
func busy(t *testing.T, servers ...*served) *traffic {
	t.Helper()
	f := &traffic{stop: make(chan struct{})}
	for i, s := range servers {
		client, err := remote.Open(s.address)
		if err != nil {
			t.Fatal(err)
		}
		f.all.Go(func() {
			defer func() {
				if err := client.Close(); err != nil {
					t.Error(err)
				}
			}()
			seen := int64(0)
			for n := 0; ; n++ {
				select {
				case <-f.stop:
					return
				default:
				}
				began := time.Now()
				if _, err := client.Group("item").Do(t.Context(), fmt.Sprintf("add-%d-%d", i, n), func(tx *db.Txn) error { tx.Add("n", 1); return nil }); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				took := time.Since(began)
				f.mu.Lock()
				f.added, f.longest = f.added+1, max(f.longest, took)
				f.mu.Unlock()
				v, err := client.Get(t.Context(), "item", "n", db.Latest())
				if err != nil || v.Value.Int <= seen {
					t.Errorf("writer %d reads %d, %v, after %d", i, v.Value.Int, err, seen)
					return
				}
				seen = v.Value.Int
			}
		})
	}
	return f
}

// rest ends it: how many were added, and how long one took at most.
func (f *traffic) rest() (added int64, longest time.Duration) {
	close(f.stop)
	f.all.Wait()
	return f.added, f.longest
}

// moved asks a server to move, and reads what it says.
func moved(t *testing.T, s *served, dir, to string) (pause time.Duration) {
	t.Helper()
	got := asking(t, s.address, dir, "", "move", "--to", to, "--json")
	var said struct {
		Generation string  `json:"generation"`
		Copied     uint64  `json:"copied"`
		Pause      float64 `json:"write_pause_ms"`
	}
	if err := json.Unmarshal([]byte(got.out), &said); err != nil || got.code != 0 || len(said.Generation) != 32 || said.Copied == 0 {
		t.Fatalf("move: %+v, %v", got, err)
	}
	return time.Duration(said.Pause * float64(time.Millisecond))
}

// TestMove: a server of files moves to PostgreSQL while clients write and read, and
// is joined by another node. Nothing is lost or done twice, writes wait for less than a
// second, and the server follows when it is started as before.
func TestMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := logOf(t, dir, 1)
	start := func(name string, args ...string) *served {
		t.Helper()
		return serve(t, dir, append([]string{"--dir", name, "--node", name, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"}, args...)...)
	}
	a := start("a")
	says := func(s *served, code int, text string, args ...string) {
		t.Helper()
		if got := asking(t, s.address, dir, "", args...); got.code != code || !strings.Contains(got.out+got.err, text) {
			t.Errorf("mainstem %s: %+v, want %d and %q", strings.Join(args, " "), got, code, text)
		}
	}
	says(a, 0, "engine                       file", "status")
	says(a, 2, "has a password", "move", "--to", "postgres://node:hunter2@127.0.0.1:1/shop")
	// Not every client looks first.
	careless, err := remote.Open(a.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := careless.Move(t.Context(), "postgres://node:hunter2@127.0.0.1:1/shop", func(remote.MoveStep) {}); db.CodeOf(err) != db.Invalid || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a move to a URL with a password: %v", err)
	}
	if err := careless.Close(); err != nil {
		t.Error(err)
	}
	says(a, 5, "127.0.0.1:1", "move", "--to", "postgres://node@127.0.0.1:1/shop")
	says(a, 0, "position 1", "put", "g/k", "v", "--id", "first")
	clients := busy(t, a, a)
	pause := moved(t, a, dir, url)
	added, longest := clients.rest()
	if pause <= 0 || pause > time.Second || longest > 3*time.Second {
		t.Errorf("writes waited for %s, one of them for %s; want at most a second", pause, longest)
	}
	t.Logf("%d additions while moving, write pause %s, the longest addition %s", added, pause, longest)
	says(a, 0, "engine                       postgres", "status")
	says(a, 0, fmt.Sprint(added), "get", "item/n")
	says(a, 0, "position 1", "put", "g/k", "v", "--id", "first") // once (L5)
	b := start("b", "--log", url)
	says(b, 0, fmt.Sprint(added), "get", "item/n")
	says(b, 0, `"id":"first"`, "feed")
	if code, errs := a.stop(syscall.SIGTERM); code != 0 || strings.Contains(errs, "hunter2") {
		t.Errorf("a ended with %d: %s", code, errs)
	}
	says(b, 0, fmt.Sprint(added+1), "add", "item/n", "1")
	want(t, dir, 2, "has moved", "get", "--dir", "a", "item/n")
	a = start("a") // it has its files, and follows
	says(a, 0, fmt.Sprint(added+1), "get", "item/n")
	a.stop(syscall.SIGTERM)
	a = start("a", "--log", url)
	says(a, 0, fmt.Sprint(added+1), "get", "item/n")
	says(a, 0, "moved to", "move", "--to", url) // it is there
}

// TestMoveTakesTheRightAdmin: with a policy, whoever may write may not move.
func TestMoveTakesTheRightAdmin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	create := func(name, rights string) {
		t.Helper()
		got := want(t, dir, 0, "", "token", "create", name, "--file", "policy.yaml", "--rights", rights, "--group", "*", "--json")
		var said struct {
			Token string `json:"token"`
		}
		if err := json.Unmarshal([]byte(got.out), &said); err != nil || said.Token == "" {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(said.Token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	create("web", "read,write,feed")
	create("operator", "admin")
	want(t, dir, 0, "", "cert", "dev", "certs")
	s := serve(t, dir, "--dir", "a", "--node", "a", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--policy", "policy.yaml",
		"--peer-ca", "certs/ca.pem", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem")
	for name, says := range map[string]string{"web": "denied", "operator": "127.0.0.1:1"} {
		got := asking(t, s.address, dir, "", "move", "--to", "postgres://node@127.0.0.1:1/shop", "--token-file", name, "--tls-ca", "certs/ca.pem")
		if got.code == 0 || !strings.Contains(got.err, says) {
			t.Errorf("%s moves: %+v, want %q", name, got, says)
		}
	}
}

// TestMovingGuide runs the commands of the guide in their order, with addresses of its own.
func TestMovingGuide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "guides", "moving.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	url := logOf(t, dir, 1)
	var s *served
	ran := map[string]int{}
	for line := range strings.Lines(string(text)) {
		args := strings.Fields(strings.ReplaceAll(line, "'", ""))
		if len(args) < 2 || args[0] != "mainstem" {
			continue
		}
		args = args[1:]
		ran[args[0]]++
		for i, a := range args {
			switch {
			case strings.HasPrefix(a, "postgres://"):
				args[i] = url
			case strings.HasPrefix(a, "http://"):
				args[i] = s.address
			case strings.HasPrefix(a, "127.0.0.1:"):
				args[i] = "127.0.0.1:0"
			}
		}
		switch {
		case args[0] == "serve" && s != nil:
			s.stop(syscall.SIGTERM)
			fallthrough
		case args[0] == "serve":
			s = serve(t, dir, args[1:]...)
		default:
			want(t, dir, 0, "", args...)
		}
	}
	if ran["serve"] != 2 || ran["move"] != 1 || ran["cluster"] != 1 || ran["status"] != 1 {
		t.Errorf("the guide's commands were %v", ran)
	}
	if got := asking(t, s.address, dir, "", "status"); !strings.Contains(got.out, "postgres") {
		t.Errorf("at the end of the guide: %+v", got)
	}
}

// natsOf starts a NATS server, and says where a log of two partitions is on it.
func natsOf(t *testing.T) (log func(name string) (url string)) {
	t.Helper()
	servers, err := natsserver.Start(t.Context(), 1)
	if errors.Is(err, natsserver.ErrMissing) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(name string) string {
		return fmt.Sprintf("jetstream://%s/%s?replicas=1&partitions=2&monitor=%s", servers.Addr(0), name, servers.Monitor(0))
	}
}

// TestMoveBetweenEngines: two nodes on PostgreSQL move to JetStream, asked by the one
// that does not write, while clients write and read through both.
func TestMoveBetweenEngines(t *testing.T) {
	t.Parallel()
	jetstream := natsOf(t)
	dir := t.TempDir()
	url := logIn(t, dir)
	var nodes []*served
	for _, name := range []string{"a", "b"} {
		nodes = append(nodes, serve(t, dir, "--dir", name, "--node", name, "--log", url, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--accept-weak-durability"))
	}
	clients := busy(t, nodes...)
	pause := moved(t, nodes[1], dir, jetstream("shop"))
	added, longest := clients.rest()
	if pause <= 0 || pause > time.Second {
		t.Errorf("writes waited for %s; want at most a second", pause)
	}
	t.Logf("%d additions while moving, write pause %s, the longest addition %s", added, pause, longest)
	for _, s := range nodes {
		if got := asking(t, s.address, dir, "", "get", "item/n"); !strings.Contains(got.out, fmt.Sprint(added)) {
			t.Errorf("after the move: %+v, want %d", got, added)
		}
		if got := asking(t, s.address, dir, "", "status"); !strings.Contains(got.out, "jetstream") {
			t.Errorf("after the move: %+v", got)
		}
	}
}
