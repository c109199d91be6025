package demo

import (
	"errors"
	"net"
	"slices"
	"strconv"

	"github.com/mainstemdb/mainstem/internal/netns"
	"github.com/mainstemdb/mainstem/internal/process"
	"github.com/mainstemdb/mainstem/internal/proxy"
)

// network is what the nodes of a cluster, the log and the shoppers reach each other by.
type network interface {
	// kind is what a cut is made with.
	kind() string
	// host is the address that a node listens at.
	host(node int) string
	// way is how a node reaches another one's address, or one of the log's where the other is
	// itself.
	way(node, other int, addr string) (string, error)
	// on is where the node's process is to run; nil for here.
	on(node int) *netns.Host
	// cut cuts a node from the others and from the log, not from the shoppers, until mend.
	cut(node int) (mend func() error, err error)
	Close() error
}

// openNetwork is one of namespaces, or of proxies; asked for neither, of namespaces where
// they are possible.
func openNetwork(of string) (network, error) {
	if of == "proxies" {
		return &proxies{ways: map[[2]int][]*proxy.Proxy{}}, nil
	}
	made, err := netns.New(nodesOfCluster)
	switch {
	case errors.Is(err, netns.ErrCannot) && of != "namespaces":
		return openNetwork("proxies")
	case err != nil:
		return nil, err
	}
	return &hosts{net: made, doors: map[string]*proxy.Proxy{}}, nil
}

// hosts are network namespaces, a node in each. The log's servers stand on the loopback
// interface of this machine, with a door to each at an address of their own.
type hosts struct {
	net   *netns.Net
	doors map[string]*proxy.Proxy // by the address behind
}

func (h *hosts) kind() string { return "namespaces" }

func (h *hosts) host(node int) string { return h.net.Hosts()[node].Addr }

func (h *hosts) on(node int) *netns.Host { return h.net.Hosts()[node] }

func (h *hosts) way(node, other int, addr string) (string, error) {
	if node != other {
		return addr, nil
	}
	if h.doors[addr] == nil {
		door, err := proxy.At(net.JoinHostPort(h.net.Here[1], "0"), addr)
		if err != nil {
			return "", err
		}
		h.doors[addr] = door
	}
	return h.doors[addr].Addr(), nil
}

func (h *hosts) cut(node int) (mend func() error, err error) {
	all := h.net.Hosts()
	err = all[node].Lose(h.net.Here[1])
	for i, other := range all {
		if i != node {
			err = errors.Join(err, netns.Cut(all[node], other))
		}
	}
	return func() error {
		err := all[node].Find(h.net.Here[1])
		for i, other := range all {
			if i != node {
				err = errors.Join(err, netns.Mend(all[node], other))
			}
		}
		return err
	}, err
}

func (h *hosts) Close() error {
	for _, door := range h.doors {
		_ = door.Close() // both ends are gone
	}
	return h.net.Close()
}

// proxies stand in every way from a node to another, and to the log.
type proxies struct {
	ways map[[2]int][]*proxy.Proxy // from which node to which other; to the log where both are the same
}

func (p *proxies) kind() string { return "proxies" }

func (p *proxies) host(int) string { return "127.0.0.1" }

func (p *proxies) on(int) *netns.Host { return nil }

func (p *proxies) way(node, other int, addr string) (string, error) {
	way, err := proxy.To(addr)
	if err != nil {
		return "", err
	}
	p.ways[[2]int{node, other}] = append(p.ways[[2]int{node, other}], way)
	return way.Addr(), nil
}

func (p *proxies) cut(node int) (mend func() error, err error) {
	var cut []*proxy.Proxy
	for pair, ways := range p.ways {
		if slices.Contains(pair[:], node) {
			cut = append(cut, ways...)
		}
	}
	for _, way := range cut {
		way.Pause()
	}
	return func() error {
		for _, way := range cut {
			way.Resume()
		}
		return nil
	}, nil
}

func (p *proxies) Close() error {
	for _, ways := range p.ways {
		for _, way := range ways {
			_ = way.Close() // both ends are gone
		}
	}
	return nil
}

// addresses are where a node listens for others and for shoppers.
type addresses struct{ peer, client string }

func addressesIn(n network) (all []addresses, err error) {
	ports, err := process.Ports(2 * nodesOfCluster)
	for i := 0; i < nodesOfCluster && err == nil; i++ {
		all = append(all, addresses{
			peer:   net.JoinHostPort(n.host(i), strconv.Itoa(ports[2*i])),
			client: net.JoinHostPort(n.host(i), strconv.Itoa(ports[2*i+1])),
		})
	}
	return all, err
}
