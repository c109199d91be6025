// Package netns makes hosts for tests out of Linux's network namespaces, on one bridge,
// and cuts them from each other: what is sent over a cut is lost, without a word to
// whoever sent it, as in a network and unlike a connection that a proxy closes.
package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
)

// Net is hosts that reach each other, and this process, which has an address of its
// own among them.
type Net struct {
	bridge string
	hosts  []*Host
}

// Host is where a process can run as on a machine of its own.
type Host struct {
	Addr string // IPv4
	name string // of its namespace
	at   string // the bridge's end of its link
}

// ErrCannot says why there can be no namespaces here.
var ErrCannot = errors.New("network namespaces need root on Linux, and the program ip of iproute2")

// nets are how many this process has made.
var nets atomic.Uint32

// New makes some hosts; at most 200.
func New(hosts int) (n *Net, err error) {
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		return nil, ErrCannot
	}
	// A process has addresses of its own: 10.213.0.0/16 in parts of 256.
	number := nets.Add(1) - 1
	subnet := fmt.Sprintf("10.213.%d.", (uint32(os.Getpid())*8+number)%256)
	n = &Net{bridge: fmt.Sprintf("ms%dn%d", os.Getpid(), number)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
			n = nil
		}
	}()
	err = run(
		"link add "+n.bridge+" type bridge",
		"addr add "+subnet+"254/24 dev "+n.bridge,
		"link set "+n.bridge+" up",
	)
	for i := 0; i < hosts && err == nil; i++ {
		h := &Host{Addr: subnet + fmt.Sprint(i+1), name: fmt.Sprintf("%sh%d", n.bridge, i), at: fmt.Sprintf("v%dn%d-%d", os.Getpid(), number, i)}
		if err = run("netns add " + h.name); err != nil {
			break
		}
		n.hosts = append(n.hosts, h)
		err = run(
			"link add "+h.at+" type veth peer name eth0 netns "+h.name,
			"link set "+h.at+" master "+n.bridge+" up",
			"-n "+h.name+" addr add "+h.Addr+"/24 dev eth0",
			"-n "+h.name+" link set eth0 up",
			"-n "+h.name+" link set lo up",
		)
	}
	return n, err
}

// Hosts are all of them.
func (n *Net) Hosts() []*Host { return n.hosts }

// Close removes the hosts. Whatever runs on one is to be ended before.
func (n *Net) Close() error {
	var errs []error
	for _, h := range n.hosts {
		errs = append(errs, run("netns del "+h.name)) // its link goes with it
	}
	return errors.Join(append(errs, run("link del "+n.bridge))...)
}

// Command is a program that is to run on the host.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", h.name, name}, args...)...) //nolint:noctx // whoever starts it ends it
}

// Cut cuts two hosts from each other, and from nobody else.
func Cut(a, b *Host) error {
	return run("-n "+a.name+" route add blackhole "+b.Addr+"/32", "-n "+b.name+" route add blackhole "+a.Addr+"/32")
}

// Mend undoes Cut.
func Mend(a, b *Host) error {
	return run("-n "+a.name+" route del blackhole "+b.Addr+"/32", "-n "+b.name+" route del blackhole "+a.Addr+"/32")
}

// Leave cuts the host from everybody.
func (h *Host) Leave() error { return run("link set " + h.at + " down") }

// Return undoes Leave.
func (h *Host) Return() error { return run("link set " + h.at + " up") }

// run runs commands of ip, one after the other, until one fails.
func run(lines ...string) error {
	for _, line := range lines {
		out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput() //nolint:noctx // it takes a moment
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, bytes.TrimSpace(out))
		}
	}
	return nil
}
