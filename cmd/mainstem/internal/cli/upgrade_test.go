//go:build unix

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	db "github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/process"
	"github.com/mainstemdb/mainstem/remote"
)

// previous builds the program before this one: it knows version 1 of the log only.
func previous(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "previous")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "format1", "-o", path, "github.com/mainstemdb/mainstem/cmd/mainstem")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the previous program: %v\n%s", err, said)
	}
	return path
}

// rolling is a cluster whose nodes run one of two programs.
type rolling struct {
	t     *testing.T
	dir   string
	url   string
	old   string
	ports map[string][2]string
	nodes map[string]*served
}

// run starts a node under this or, with a path, another program.
func (r *rolling) run(program, name string, more ...string) {
	r.t.Helper()
	if s := r.nodes[name]; s != nil {
		if code, said := s.stop(syscall.SIGTERM); code != 0 {
			r.t.Errorf("node %s ended with %d: %s", name, code, said)
		}
	}
	r.nodes[name] = serveProgram(r.t, program, []string{"MAINSTEM_LOG=" + r.url}, r.dir, append(r.args(name), more...)...)
}

func (r *rolling) args(name string) []string {
	return []string{"--dir", name, "--node", name, "--listen", r.ports[name][0], "--peer-listen", r.ports[name][1]}
}

// refused wants a program not to start as a node, and to say why.
func (r *rolling) refused(program, name, why string, more ...string) {
	r.t.Helper()
	if s := r.nodes[name]; s != nil {
		s.stop(syscall.SIGTERM)
		r.nodes[name] = nil
	}
	cmd := binary(r.t, r.dir, append(append([]string{"serve"}, r.args(name)...), more...)...)
	if program != "" {
		cmd.Path = program
	}
	cmd.Env = append(cmd.Env, "MAINSTEM_LOG="+r.url)
	said, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 2 || !strings.Contains(string(said), why) {
		r.t.Errorf("node %s: %v, %s; want exit code 2 and %q", name, err, said, why)
	}
}

// count adds one again and again through whatever node answers, until told to end,
// and returns how often that was acknowledged.
func (r *rolling) count(end <-chan struct{}) (acknowledged int64) {
	var all []string
	for _, at := range r.ports {
		all = append(all, "http://"+at[0])
	}
	client, err := remote.Open(strings.Join(all, ","))
	if err != nil {
		r.t.Error(err)
		return 0
	}
	defer client.Close() //nolint:errcheck // it was only asked
	for {
		select {
		case <-end:
			return acknowledged
		default:
		}
		// Until it is known what became of it.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_, err := client.Group("load").Do(ctx, "", func(tx *db.Txn) error { tx.Add("n", 1); return nil })
		cancel()
		switch code := db.CodeOf(err); {
		case err == nil:
			acknowledged++
		case code == db.Undecided:
			r.t.Errorf("after 30 s nobody knows what became of an addition: %v", err)
			return acknowledged
		default: // nothing was done: all nodes are on their way
			<-time.After(10 * time.Millisecond)
		}
	}
}

// TestUpgrade: this program and the previous one run together on one log, under
// load, and each takes the other's place, until a version is put in force that the
// previous one does not know: then it says so and changes nothing.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	r := &rolling{t: t, dir: t.TempDir(), old: previous(t), ports: map[string][2]string{}, nodes: map[string]*served{}}
	r.url = logIn(t, r.dir)
	names := []string{"a", "b", "c"}
	free := freePorts(t, 2*len(names))
	for i, name := range names {
		r.ports[name] = [2]string{free[2*i], free[2*i+1]}
		r.run(r.old, name)
	}
	end := make(chan struct{})
	var loads sync.WaitGroup
	var acknowledged [4]int64
	for i := range acknowledged {
		loads.Go(func() { acknowledged[i] = r.count(end) })
	}
	r.run("", "a")
	r.run("", "b")
	r.refused("", "a", `node "c" knows 1 to 1`, "--activate", "2") // c is of the previous program
	r.run("", "a")
	r.run("", "c")
	r.run(r.old, "b") // back, and forth again
	r.run("", "b")
	r.run("", "a", "--activate", "2")
	r.refused(r.old, "b", "of version 2; this program knows 1 to 1")
	r.run("", "b")
	r.run("", "c")
	close(end)
	loads.Wait()
	var sum int64
	for _, n := range acknowledged {
		sum += n
	}
	if sum < 100 {
		t.Errorf("%d additions: there was no load", sum)
	}
	for _, name := range names {
		client, err := remote.Open(r.nodes[name].address)
		if err != nil {
			t.Fatal(err)
		}
		v, err := client.Get(t.Context(), "load", "n", db.Latest())
		if err != nil || v.Value.Int != sum {
			t.Errorf("node %s has counted %d, %v; %d additions were acknowledged (L4, L5)", name, v.Value.Int, err, sum)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if code, said := r.nodes[name].stop(syscall.SIGTERM); code != 0 {
			t.Errorf("node %s ended with %d: %s", name, code, said)
		}
	}
}

// freePorts are addresses on this machine where nobody listens.
func freePorts(t *testing.T, n int) (at []string) {
	t.Helper()
	ports, err := process.Ports(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range ports {
		at = append(at, fmt.Sprint("127.0.0.1:", port))
	}
	return at
}
