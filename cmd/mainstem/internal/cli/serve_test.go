//go:build unix

package cli_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// served is a server in a process of its own.
type served struct {
	address string
	pprof   string
	metrics string
	peer    string
	pid     int
	signal  func(os.Signal) error
	stop    func(syscall.Signal) (code int, said string)
}

// serve starts a server of the directory below dir. The test ends it.
func serve(t *testing.T, dir string, args ...string) *served {
	t.Helper()
	return serveWith(t, nil, dir, args...)
}

// serveWith is serve with more in the environment.
func serveWith(t *testing.T, env []string, dir string, args ...string) *served {
	t.Helper()
	return serveProgram(t, "", env, dir, args...)
}

// serveProgram is serveWith under another program, if one is given.
func serveProgram(t *testing.T, program string, env []string, dir string, args ...string) *served {
	t.Helper()
	cmd := binary(t, dir, append([]string{"serve", "--json"}, args...)...)
	if program != "" {
		cmd.Path = program
	}
	cmd.Env = append(cmd.Env, env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	s := &served{signal: func(signal os.Signal) error { return cmd.Process.Signal(signal) }, stop: func(signal syscall.Signal) (int, string) {
		once.Do(func() {
			_ = cmd.Process.Signal(signal) // it may have gone already, which Wait tells
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait() // its exit code is below
		})
		return cmd.ProcessState.ExitCode(), errs.String()
	}}
	t.Cleanup(func() { s.stop(syscall.SIGKILL) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		code, said := s.stop(syscall.SIGKILL)
		t.Fatalf("the server said nothing: %v; it ended with %d: %s", err, code, said)
	}
	var where struct {
		Address string `json:"address"`
		Pprof   string `json:"pprof"`
		Metrics string `json:"metrics"`
		Peer    string `json:"peer"`
	}
	if err := json.Unmarshal([]byte(line), &where); err != nil || where.Address == "" {
		t.Fatalf("the server said %q: %v", line, err)
	}
	s.address, s.pprof, s.metrics, s.peer, s.pid = where.Address, where.Pprof, where.Metrics, where.Peer, cmd.Process.Pid
	return s
}

// aboutFiles are the words of conversations that are about a directory itself.
var aboutFiles = []string{"--dir", "inspect", "verify-log", "--read-only", "demo", "$ pg", "no database in", "export"}

// TestTalksWithAServer repeats every conversation that is not about files with a
// server, and wants the very same answers.
func TestTalksWithAServer(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "talks", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if about := containsAny(string(text), aboutFiles); about != "" {
			t.Logf("%s is about files: %s", name, about)
			continue
		}
		held++
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			dir, said := t.TempDir(), &strings.Builder{}
			s := serve(t, dir, "--listen", "127.0.0.1:0")
			for _, turn := range turns(string(text)) {
				turn.take(t, s.address, dir, said)
			}
			if code, errs := s.stop(syscall.SIGTERM); code != 0 {
				t.Errorf("the server ended with %d: %s", code, errs)
			}
			if said.String() != string(text) {
				t.Errorf("with a server, %s went:\n%s", name, said)
			}
		})
	}
	if held < 3 {
		t.Errorf("%d conversations are not about files", held)
	}
}

func containsAny(text string, words []string) string {
	for _, w := range words {
		if strings.Contains(text, w) {
			return w
		}
	}
	return ""
}

// TestFollowersOutliveTheServer: what watches goes on when the server is killed
// and started again, and neither misses nor repeats a change.
func TestFollowersOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := serve(t, dir, "--listen", "127.0.0.1:0")
	port := strings.TrimPrefix(first.address, "http://")
	put := func(i int) {
		t.Helper()
		id := fmt.Sprintf("put-%d", i)
		if got := asking(t, first.address, dir, "", "put", fmt.Sprintf("g/k%03d", i), "v", "--id", id); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	put(0)
	type follower struct {
		lines *bufio.Scanner
		end   func()
	}
	var followers []follower
	for _, args := range [][]string{{"watch", "g/", "--json"}, {"feed", "--follow", "--prefix", "k"}} {
		cmd := binary(t, dir, append(args, "--server", first.address)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		followers = append(followers, follower{bufio.NewScanner(out), func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // its end is looked at below
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %v", args, err)
			}
		}})
	}
	expect := func(i int) {
		t.Helper()
		for _, f := range followers {
			if !f.lines.Scan() {
				t.Fatalf("a follower ended before change %d: %v", i, f.lines.Err())
			}
			if want := fmt.Sprintf(`"k%03d"`, i); !strings.Contains(f.lines.Text(), want) {
				t.Fatalf("a follower printed %s instead of %s", f.lines.Text(), want)
			}
		}
	}
	expect(0)
	put(1)
	expect(1)
	first.stop(syscall.SIGKILL)
	again := serve(t, dir, "--listen", port)
	for i := 2; i < 6; i++ {
		put(i)
		expect(i)
	}
	for _, f := range followers {
		f.end()
	}
	if code, said := again.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d: %s", code, said)
	}
}

// TestLeaseRunsACommand: the token is in the environment, the exit code is the
// command's, and a lease that somebody holds is not held twice.
func TestLeaseRunsACommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, dir, "--listen", "127.0.0.1:0")
	got := asking(t, s.address, dir, "", "lease", "billing/nightly", "--", "sh", "-c", `test -n "$MAINSTEM_FENCE" && echo "token $MAINSTEM_FENCE"; exit 7`)
	if got.code != 7 || !strings.HasPrefix(got.out, "token ") || got.err != "" {
		t.Errorf("the command ran as %+v", got)
	}
	holder := binary(t, dir, "lease", "billing/nightly", "--server", s.address, "--", "sh", "-c", "echo held; cat")
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder said %q: %v", line, err)
	}
	if got := asking(t, s.address, dir, "", "lease", "billing/nightly", "--try", "--", "true"); got.code != 4 || !strings.Contains(got.err, "held") {
		t.Errorf("a second holder ran as %+v", got)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := holder.Wait(); err != nil {
		t.Errorf("the holder: %v", err)
	}
	if got := asking(t, s.address, dir, "", "lease", "billing/nightly", "--try", "--", "true"); got.code != 0 {
		t.Errorf("after the first gave it back: %+v", got)
	}
}

// TestLeaseEndsWhatTheCommandBegan: a shell that is told to end leaves what it runs
// behind; that must not go on without the lease.
func TestLeaseEndsWhatTheCommandBegan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, dir, "--listen", "127.0.0.1:0")
	holder := binary(t, dir, "lease", "billing/nightly", "--server", s.address, "--", "sh", "-c", "sleep 1000 & echo $!; wait; echo never")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	child, bad := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || bad != nil {
		t.Fatalf("the command said %q: %v", line, err)
	}
	if err := holder.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := holder.Wait(); err == nil {
		t.Error("the holder was told to end, and ended well")
	}
	if err := syscall.Kill(child, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("what the command had begun goes on: %v", err)
		_ = syscall.Kill(child, syscall.SIGKILL) // it may end by itself meanwhile
	}
}

// TestServerIsNotThere: a command says so at once, and what to do.
func TestServerIsNotThere(t *testing.T) {
	t.Parallel()
	got := asking(t, "http://127.0.0.1:1", t.TempDir(), "", "get", "a/b")
	if got.code != 5 || !strings.Contains(got.err, "127.0.0.1:1") {
		t.Errorf("%+v", got)
	}
	if got := asking(t, "http://127.0.0.1:1", t.TempDir(), "", "get", "a/b", "--dir", "x"); got.code != 2 {
		t.Errorf("with a directory too: %+v", got)
	}
}
