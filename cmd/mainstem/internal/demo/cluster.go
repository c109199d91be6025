package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/remote"
)

const (
	nodesOfCluster = 3
	// cutOff is how long a node is cut off from the others and from the log: longer
	// than they wait for it.
	cutOff = 3 * time.Second
)

// cluster are three nodes on one log, each a process of its own, in a network that can
// cut one off; shoppers ask all of them.
type cluster struct {
	servers servers
	net     network
	nodes   []*holder
	remote  *remote.DB
	rng     *rand.Rand
	audit   string // directory of the node that looks at what is left
	strikes int
	harmed  atomic.Bool
}

// cluster prepares the servers and the nodes of one run.
func (w *world) cluster(ctx context.Context, exe, dir string) (c *cluster, err error) {
	c = &cluster{audit: filepath.Join(dir, "audit"), rng: rand.New(rand.NewPCG(w.config.Seed, 3))}
	if c.net, err = openNetwork(w.config.Cuts); err != nil {
		return nil, err
	}
	w.cuts = c.net.kind()
	c.servers, err = openServers(ctx, w.config.Cluster, "demo")
	if err == nil {
		err = c.prepare(exe, dir)
	}
	if err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

func (c *cluster) prepare(exe, dir string) error {
	all, err := addressesIn(c.net)
	if err != nil {
		return err
	}
	var clients []string
	for i, a := range all {
		clients = append(clients, "http://"+a.client)
		reach, err := c.reach(i, all)
		if err != nil {
			return err
		}
		log := c.servers.url(i, func(addr string) (way string) {
			if err == nil {
				way, err = c.net.way(i, i, addr)
			}
			return way
		})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("node-%d", i+1)
		own := filepath.Join(dir, name)
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		c.nodes = append(c.nodes, &holder{exe: exe, dir: own, listen: a.client, on: c.net.on(i), more: []string{
			"--node", name, "--peer", a.peer, "--log", log, "--reach", strings.Join(reach, ","),
		}})
	}
	c.remote, err = remote.Open(strings.Join(clients, ","))
	return err
}

// reach says by which address a node reaches which other.
func (c *cluster) reach(node int, all []addresses) (reach []string, err error) {
	for other, a := range all {
		if other == node {
			continue
		}
		way, err := c.net.way(node, other, a.peer)
		if err != nil {
			return nil, err
		}
		reach = append(reach, a.peer+"="+way)
	}
	return reach, nil
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
	mend, err := c.net.cut(victim)
	if err == nil {
		err = pause(ctx, cutOff)
	}
	return errors.Join(err, mend())
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
	return Holder{Dir: c.audit, Node: "audit", Log: c.servers.url(0, func(addr string) string { return addr })}.open(ctx)
}

func (c *cluster) end() {
	for _, n := range c.nodes {
		n.end()
	}
	if c.remote != nil {
		_ = c.remote.Close() // nobody waits for it
	}
	if c.servers != nil {
		_ = c.servers.Close() // nobody needs them any more
	}
	_ = c.net.Close() // nor this
}
