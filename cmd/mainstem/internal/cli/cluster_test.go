//go:build unix

package cli_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
)

// logIn makes a log of two partitions in a server of its own, as mainstem cluster
// schema says.
func logIn(t *testing.T, dir string) (url string) {
	t.Helper()
	return logOf(t, dir, 2)
}

func logOf(t *testing.T, dir string, partitions int) (url string) {
	t.Helper()
	server := pgtest.Start(t, pgserver.Config{})
	dsn, err := pgserver.DSN(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // it has done its work
	sql := want(t, dir, 0, "CREATE SCHEMA", "cluster", "schema", "--partitions", fmt.Sprint(partitions)).out
	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	return "postgres://" + conn.Config().User + "@" + server.Addr() + "/postgres?sslmode=disable"
}

// TestCluster: any of three nodes serves any request; the one that wrote is killed,
// the others go on, and it joins again.
func TestCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := logIn(t, dir)
	start := func(name string) *served {
		t.Helper()
		return serveWith(t, []string{"MAINSTEM_LOG=" + url}, dir, "--dir", name, "--node", name, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0")
	}
	nodes := []*served{start("a"), start("b"), start("c")}
	says := func(i int, text string, args ...string) {
		t.Helper()
		if got := asking(t, nodes[i].address, dir, "", args...); got.code != 0 || !strings.Contains(got.out, text) {
			t.Errorf("node %d, mainstem %s: %+v, want %q", i, strings.Join(args, " "), got, text)
		}
	}
	says(0, "10  position 1", "add", "item/stock", "10", "--id", "fill")
	for i := range nodes {
		says(i, fmt.Sprintf("%d  position", 9-i), "add", "item/stock", "-1", "--floor", "0", "--id", fmt.Sprint("buy-", i))
		says((i+1)%3, fmt.Sprint(9-i), "get", "item/stock")
	}
	says(2, "engine                       postgres", "status")
	nodes[0].stop(syscall.SIGKILL)
	says(1, "6  position", "add", "item/stock", "-1", "--id", "buy-3")
	says(2, "6  position", "add", "item/stock", "-1", "--id", "buy-3") // once (L5)
	nodes[0] = start("a")
	says(0, "6", "get", "item/stock")
	says(0, `"id":"buy-3"`, "feed")
	says(1, "\nc     http://127.0.0.1:", "cluster", "members")
	if got := asking(t, nodes[1].address, dir, "", "cluster", "forget", "c"); got.code != 2 || !strings.Contains(got.err, "it answers at http://127.0.0.1:") {
		t.Errorf("forgetting a node that lives: %+v", got)
	}
	nodes[2].stop(syscall.SIGKILL)
	nodes = nodes[:2]
	says(1, "forgotten: c", "cluster", "forget", "c")
	if got := asking(t, nodes[0].address, dir, "", "cluster", "members", "--json"); got.code != 0 || strings.Count(got.out, "\n") != 2 || strings.Contains(got.out, `"name":"c"`) {
		t.Errorf("members once c is forgotten: %+v", got)
	}
	want(t, dir, 2, "a is a node's state; its log is on engine postgres", "get", "--dir", "a", "item/stock")
	for i, s := range nodes {
		if code, errs := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("node %d ended with %d: %s", i, code, errs)
		}
	}
}

// TestPeersShowCertificates: nodes believe whom their authority vouches for, and
// decide for nobody else.
func TestPeersShowCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := logIn(t, dir)
	want(t, dir, 0, "", "cert", "dev", "certs")
	start := func(name string) *served {
		t.Helper()
		return serve(t, dir, "--log", url, "--dir", name, "--node", name, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0",
			"--peer-ca", "certs/ca.pem", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem")
	}
	a, b := start("a"), start("b")
	as := func(s *served, code int, text string, args ...string) {
		t.Helper()
		if got := asking(t, s.address, dir, "", append(args, "--tls-ca", "certs/ca.pem")...); got.code != code || !strings.Contains(got.out+got.err, text) {
			t.Errorf("mainstem %s: %+v, want %d and %q", strings.Join(args, " "), got, code, text)
		}
	}
	as(a, 0, "position 1", "put", "g/k", "v")
	as(b, 0, "position 2", "put", "g/k", "w")
	as(b, 0, "w", "get", "g/k")
	a.address = a.peer
	as(a, 5, "unavailable", "get", "g/k") // without a certificate
	as(a, 0, "w", "get", "g/k", "--tls-cert", "certs/client.pem", "--tls-key", "certs/client-key.pem")
	if code, errs := b.stop(syscall.SIGTERM); code != 0 || strings.Contains(errs, "peer") {
		t.Errorf("b ended with %d: %s", code, errs)
	}
}

// TestClusterSettings: what cannot be is refused before anything is opened, and no
// password is shown.
func TestClusterSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want(t, dir, 0, "", "token", "create", "web", "--file", "tokens.yaml", "--rights", "read", "--group", "*")
	const log = "postgres://node:hunter2@127.0.0.1:1/shop"
	for said, args := range map[string][]string{
		"needs a name that no other node has":  {"--peer-listen", "127.0.0.1:0"},
		"an address for the other nodes":       {"--node", "a"},
		"needs a name":                         {"--log", log},
		"needs an address for the other nodes": {"--log", log, "--node", "a"},
		"is every address of this machine":     {"--log", log, "--node", "a", "--peer-listen", ":0"},
		"nothing says which are nodes":         {"--log", log, "--node", "a", "--peer-listen", ":0", "--peer-address", "db1:7271"},
		"shows a certificate of its own":       {"--log", log, "--node", "a", "--peer-listen", "127.0.0.1:0", "--peer-ca", "ca.pem"},
		"the policy is not asked":              {"--node", "a", "--peer-listen", "127.0.0.1:0", "--policy", "tokens.yaml"},
		"did you mean replicas?":               {"--log", "jetstream://hunter2@a/shop?replcas=3"},
		"write postgres://… or jetstream://…":  {"--log", "hunter2"},
		"\"127.0.0.1\" is no HOST:PORT":        {"--log", log, "--peer-listen", "127.0.0.1"},
	} {
		got := mainstem(t, dir, "", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
		if got.code != 2 || !strings.Contains(got.err, said) || strings.Contains(got.err, "hunter2") {
			t.Errorf("%s: %+v, want %q and no password", strings.Join(args, " "), got, said)
		}
	}
	got := mainstem(t, dir, "", "serve", "--listen", "127.0.0.1:0", "--log", log, "--node", "a", "--peer-listen", "127.0.0.1:0")
	if got.code != 5 || strings.Contains(got.err, "hunter2") {
		t.Errorf("a server that is away: %+v", got)
	}
	if got := want(t, dir, 0, "postgres://node:…@127.0.0.1:1/shop", "config", "print", "--log", log); strings.Contains(got.out, "hunter2") {
		t.Errorf("a password is shown: %s", got.out)
	}
}
