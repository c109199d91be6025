package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/process"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/remote"
)

const (
	nodesOfCluster = 3
	// cutOff is how long a node is cut off from the others and from the log: longer
	// than they wait for it.
	cutOff = 3 * time.Second
)

// cluster are three nodes on one log, each a process of its own. Every connection
// among them, and of each to the log, goes its own way through a proxy, so that a node
// can be cut off; shoppers ask all of them.
type cluster struct {
	servers servers
	nodes   []*holder
	ways    [][]*proxy.Proxy // from a node to another; to the log where both are the same
	remote  *remote.DB
	rng     *rand.Rand
	audit   string // directory of the node that looks at what is left
	strikes int
	harmed  atomic.Bool
}

// cluster prepares the servers and the nodes of one run.
func (w *world) cluster(ctx context.Context, exe, dir string) (c *cluster, err error) {
	c = &cluster{audit: filepath.Join(dir, "audit"), rng: rand.New(rand.NewPCG(w.config.Seed, 3))}
	if c.servers, err = openServers(ctx, w.config.Cluster, "demo"); err != nil {
		return nil, err
	}
	if err := c.prepare(exe, dir); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

func (c *cluster) prepare(exe, dir string) error {
	ports, err := process.Ports(2 * nodesOfCluster)
	if err != nil {
		return err
	}
	var peers, clients []string
	for i := range nodesOfCluster {
		peers, clients = append(peers, loopback(ports[2*i])), append(clients, loopback(ports[2*i+1]))
	}
	for i := range nodesOfCluster {
		var ways []*proxy.Proxy
		var reach []string
		for j := range nodesOfCluster {
			to := peers[j]
			if i == j {
				to = c.servers.way(i)
			}
			way, err := proxy.To(to)
			if err != nil {
				return err
			}
			ways, reach = append(ways, way), append(reach, to+"="+way.Addr())
		}
		c.ways = append(c.ways, ways)
		name := fmt.Sprintf("node-%d", i+1)
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		c.nodes = append(c.nodes, &holder{exe: exe, dir: own, listen: clients[i], more: []string{
			"--node", name, "--peer", peers[i], "--log", c.servers.url(ways[i].Addr()), "--reach", strings.Join(reach, ","),
		}})
	}
	c.remote, err = remote.Open("http://" + strings.Join(clients, ",http://"))
	return err
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (c *cluster) start(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) line() *client { return &client{remote: c.remote.DB} }

func (c *cluster) away() bool { return c.harmed.Load() }

// strike kills one node, and the next time cuts one off.
func (c *cluster) strike(ctx context.Context) error {
	c.harmed.Store(true)
	defer c.harmed.Store(false)
	victim := c.rng.IntN(len(c.nodes))
	if c.strikes++; c.strikes%2 == 1 {
		return c.nodes[victim].strike(ctx)
	}
	ways := slices.Clone(c.ways[victim])
	for i := range c.nodes {
		if i != victim {
			ways = append(ways, c.ways[i][victim])
		}
	}
	for _, way := range ways {
		way.Pause()
	}
	err := pause(ctx, cutOff)
	for _, way := range ways {
		way.Resume()
	}
	return err
}

// read looks by a node that has nothing but the log.
func (c *cluster) read(ctx context.Context) (*embedded.DB, error) {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.stop())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return Holder{Dir: c.audit, Node: "audit", Log: c.servers.url(c.servers.way(0))}.open(ctx)
}

func (c *cluster) end() {
	for _, n := range c.nodes {
		n.end()
	}
	if c.remote != nil {
		_ = c.remote.Close() // nobody waits for it
	}
	for _, way := range slices.Concat(c.ways...) {
		_ = way.Close() // both ends are gone
	}
	_ = c.servers.Close() // nobody needs them any more
}
