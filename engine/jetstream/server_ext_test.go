package jetstream_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/internal/netns"
	"github.com/mainstemdb/mainstem/internal/process"
)

// childServer is the variable that makes this program a NATS server: a server
// can be killed only in a process of its own.
const childServer = "MAINSTEM_TEST_NATS"

func TestMain(m *testing.M) {
	if spec := os.Getenv(childServer); spec != "" {
		var n node
		if err := json.Unmarshal([]byte(spec), &n); err != nil {
			panic(err)
		}
		s, err := n.start()
		if err != nil {
			panic(err)
		}
		s.WaitForShutdown()
		return
	}
	os.Exit(m.Run())
}

// node is one NATS server of a cluster.
type node struct {
	Name                string
	Host                string // an address
	Client, Route, HTTP int
	Routes              string
	Dir                 string
	Lax                 bool // sync_interval is not always
	Payload             int  // max_payload in bytes; 0 means 9 MiB

	server *server.Server
	child  *process.Process
	on     *netns.Host // where its process is; nil for here
}

// start runs the server from a file of settings, as a person would write it.
func (n *node) start() (*server.Server, error) {
	file := filepath.Join(n.Dir, "nats.conf")
	if err := errors.Join(os.MkdirAll(n.Dir, 0o700), os.WriteFile(file, []byte(n.settings()), 0o600)); err != nil {
		return nil, err
	}
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		return nil, err
	}
	o.NoSigs, o.NoLog = true, true
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.Start()
	return s, nil
}

func (n *node) settings() string {
	always := "sync_interval: always"
	if n.Lax {
		always = "sync_interval: 2m"
	}
	b := fmt.Sprintf(`
server_name: %[1]s
listen: "%[2]s:%[3]d"
http: "%[2]s:%[4]d"
max_payload: %[5]d
jetstream { store_dir: %[6]q, max_file_store: 4GB, max_memory_store: 64MB, %[7]s }
accounts {
  SYS { users: [ { user: sys, password: s } ] }
  APP { jetstream: enabled, users: [ { user: app, password: a } ] }
}
system_account: SYS
no_auth_user: app
`, n.Name, n.Host, n.Client, n.HTTP, cmp.Or(n.Payload, 9<<20), n.Dir, always)
	if n.Route != 0 {
		b += fmt.Sprintf("cluster { name: test, listen: \"%s:%d\", no_advertise: true, routes: [ %s ] }\n", n.Host, n.Route, n.Routes)
	}
	return b
}

func (n *node) url() string     { return "nats://" + n.addr() }
func (n *node) addr() string    { return n.Host + ":" + strconv.Itoa(n.Client) }
func (n *node) monitor() string { return "http://" + n.Host + ":" + strconv.Itoa(n.HTTP) }

// cluster is some NATS servers that this test started.
type cluster struct {
	nodes []*node
	dir   string
}

// newCluster lays out n servers without starting them.
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	return clusterOn(t, make([]*netns.Host, n))
}

// clusterOn lays out a server for each host.
func clusterOn(t *testing.T, hosts []*netns.Host) *cluster {
	t.Helper()
	n := len(hosts)
	c := &cluster{dir: t.TempDir()}
	free, err := process.Ports(3 * n)
	if err != nil {
		t.Fatal(err)
	}
	routes := []string{}
	for i, on := range hosts {
		one := &node{Name: fmt.Sprintf("n%d", i), Host: "127.0.0.1", on: on, Client: free[3*i], HTTP: free[3*i+2], Dir: filepath.Join(c.dir, strconv.Itoa(i))}
		if on != nil {
			one.Host = on.Addr
		}
		routes = append(routes, fmt.Sprintf("nats://%s:%d", one.Host, free[3*i+1]))
		c.nodes = append(c.nodes, one)
	}
	for i, one := range c.nodes {
		if n > 1 {
			one.Route, one.Routes = free[3*i+1], strings.Join(routes, ",")
		}
	}
	return c
}

// inProcess starts them here.
func (c *cluster) inProcess(t *testing.T) *cluster {
	t.Helper()
	for _, n := range c.nodes {
		var err error
		if n.server, err = n.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			n.server.Shutdown()
			n.server.WaitForShutdown()
		})
	}
	c.ready(t)
	return c
}

// asChildren starts each in a process of its own.
func (c *cluster) asChildren(t *testing.T) *cluster {
	t.Helper()
	for _, n := range c.nodes {
		c.spawn(t, n)
		t.Cleanup(func() { _ = n.child.End(syscall.SIGKILL) })
	}
	c.ready(t)
	return c
}

func (c *cluster) spawn(t *testing.T, n *node) {
	t.Helper()
	spec, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "-test.run=^$")
	if n.on != nil {
		command = n.on.Command(os.Args[0], "-test.run=^$")
	}
	command.Env = append(os.Environ(), childServer+"="+string(spec))
	if n.child, err = process.Start(command); err != nil {
		t.Fatal(err)
	}
}

// eventually tries until it works, or half a minute has passed.
func eventually(t *testing.T, what string, try func(context.Context) error) {
	t.Helper()
	atLast(t, 30*time.Second, what, try)
}

// atLast tries until it works, or so much time has passed.
func atLast(t *testing.T, most time.Duration, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		once, stop := context.WithTimeout(ctx, 2*time.Second)
		err := try(once)
		stop()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// ready waits until the cluster makes streams with as many replicas as it has servers.
func (c *cluster) ready(t *testing.T) {
	t.Helper()
	eventually(t, "the cluster makes no stream", func(ctx context.Context) error {
		conn, err := nats.Connect(c.nodes[0].url())
		if err != nil {
			return err
		}
		defer conn.Close()
		js, err := natsjs.New(conn)
		if err != nil {
			return err
		}
		// It stays: a server that has lost its last stream removes the directory of all,
		// beside whoever makes the next one in it.
		_, err = js.CreateOrUpdateStream(ctx, natsjs.StreamConfig{Name: "READY", Replicas: len(c.nodes)})
		return err
	})
}

var logs atomic.Uint64

// options are those of a new log on the cluster.
// urls are those of all servers.
func (c *cluster) urls() string {
	all := []string{}
	for _, n := range c.nodes {
		all = append(all, n.url())
	}
	return strings.Join(all, ",")
}

func (c *cluster) options() jetstream.Options {
	o := jetstream.Options{
		URL: c.nodes[0].url(), Name: fmt.Sprintf("log-%d", logs.Add(1)), Replicas: len(c.nodes),
		AcceptWeakDurability: len(c.nodes) < 3,
	}
	for _, n := range c.nodes {
		o.Monitor = append(o.Monitor, n.monitor())
	}
	return o
}

func open(t *testing.T, o jetstream.Options) *jetstream.Log {
	t.Helper()
	l, err := jetstream.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// admin is a client that may do everything to streams.
func (c *cluster) admin(t *testing.T) natsjs.JetStream {
	t.Helper()
	conn, err := nats.Connect(c.nodes[0].url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := natsjs.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// streamOf is the name of a log's stream.
func streamOf(o jetstream.Options) string { return "mainstem-" + o.Name + "-p0-g1" }
