// Package netns makes hosts for tests and demonstrations out of Linux's network namespaces,
// on one bridge, and cuts them from each other: what is sent over a cut is lost, without a word to
// whoever sent it, as in a network and unlike a connection that a proxy closes.
package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Net is hosts that reach each other, and this process, which has two addresses of its
// own among them: a host can be cut from what it reaches at one of them alone.
type Net struct {
	Here   [2]string
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

// making is held while a part of the addresses is looked for and taken.
var making sync.Mutex

// New makes some hosts; at most 200. It is ErrCannot where this machine lets nobody.
func New(hosts int) (*Net, error) {
	making.Lock()
	defer making.Unlock()
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		return nil, ErrCannot
	}
	number := nets.Add(1) - 1
	subnet, err := free()
	if err != nil {
		return nil, err
	}
	n := &Net{Here: [2]string{subnet + "254", subnet + "253"}, bridge: fmt.Sprintf("ms%dn%d", os.Getpid(), number)}
	if err = run("link add " + n.bridge + " type bridge"); err != nil {
		return nil, err
	}
	err = run(
		"addr add "+n.Here[0]+"/24 dev "+n.bridge,
		"addr add "+n.Here[1]+"/24 dev "+n.bridge,
		"link set "+n.bridge+" up",
	)
	for i := 0; i < hosts && err == nil; i++ {
		err = n.add(&Host{Addr: subnet + fmt.Sprint(i+1), name: fmt.Sprintf("%sh%d", n.bridge, i), at: fmt.Sprintf("%sv%d", n.bridge, i)})
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// free is a part of 10.213.0.0/16 in which this machine has no address.
func free() (subnet string, err error) {
	all, err := net.InterfaceAddrs()
	for i := range 256 {
		subnet = fmt.Sprintf("10.213.%d.", (os.Getpid()+i)%256)
		if !slices.ContainsFunc(all, func(a net.Addr) bool { return strings.HasPrefix(a.String(), subnet) }) {
			return subnet, err
		}
	}
	return "", errors.New("all of 10.213.0.0/16 is taken")
}

func (n *Net) add(h *Host) error {
	if err := run("netns add " + h.name); err != nil {
		return err
	}
	n.hosts = append(n.hosts, h)
	return run(
		"link add "+h.at+" type veth peer name eth0 netns "+h.name,
		"link set "+h.at+" master "+n.bridge+" up",
		"-n "+h.name+" addr add "+h.Addr+"/24 dev eth0",
		"-n "+h.name+" link set eth0 up",
		"-n "+h.name+" link set lo up",
	)
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
func Cut(a, b *Host) error { return errors.Join(a.Lose(b.Addr), b.Lose(a.Addr)) }

// Mend undoes Cut.
func Mend(a, b *Host) error { return errors.Join(a.Find(b.Addr), b.Find(a.Addr)) }

// Lose has what the host sends to an address be lost, until Find.
func (h *Host) Lose(addr string) error {
	return run("-n " + h.name + " route add blackhole " + addr + "/32")
}

// Find undoes Lose.
func (h *Host) Find(addr string) error {
	return run("-n " + h.name + " route del blackhole " + addr + "/32")
}

// Leave cuts the host from everybody.
func (h *Host) Leave() error { return run("link set " + h.at + " down") }

// Return undoes Leave.
func (h *Host) Return() error { return run("link set " + h.at + " up") }

// run runs commands of ip, one after the other, until one fails. One that the kernel
// does not let this process do, or cannot do, is ErrCannot.
func run(lines ...string) error {
	for _, line := range lines {
		out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput() //nolint:noctx // it takes a moment
		if err == nil {
			continue
		}
		err = fmt.Errorf("ip %s: %w: %s", line, err, bytes.TrimSpace(out))
		for _, no := range []string{"not permitted", "Permission denied", "not supported", "Unknown device type"} {
			if bytes.Contains(out, []byte(no)) {
				return fmt.Errorf("%w: %w", ErrCannot, err)
			}
		}
		return err
	}
	return nil
}
