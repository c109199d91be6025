package jetstream_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mainstemdb/mainstem/internal/netns"
	"github.com/mainstemdb/mainstem/journal"
)

// hosts are hosts of namespaces, or the test is not run.
func hosts(t *testing.T, n int) []*netns.Host {
	t.Helper()
	made, err := netns.New(n)
	if errors.Is(err, netns.ErrCannot) {
		t.Skipf("not run: cuts between hosts in network namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return made.Hosts()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// healing is how long NATS servers may take to find each other again: they hold on to
// connections that are dead, and elect leaders meanwhile. Seen were 2 to 30 s.
const healing = 90 * time.Second

// cut cuts a server from so many others, and not from their clients.
func (c *cluster) cut(t *testing.T, from *node, most int) (mend func()) {
	t.Helper()
	var others []*netns.Host
	for _, one := range c.nodes {
		if one != from && len(others) < most {
			others = append(others, one.on)
		}
	}
	for _, other := range others {
		must(t, netns.Cut(from.on, other))
	}
	return func() {
		t.Helper()
		for _, other := range others {
			must(t, netns.Mend(from.on, other))
		}
	}
}

// TestPartitions cuts the leader from both other servers in network namespaces, while three writers
// reach all of them: it stands alone with whoever is connected to it. The log goes on
// where most servers are. In a soak the leader is also cut from one
// other, which then wants to lead, and both have a majority by the third; and from
// everybody.
func TestPartitions(t *testing.T) {
	t.Parallel() // most of it is waiting for elections
	c := clusterOn(t, hosts(t, 3)).asChildren(t)
	o := c.options()
	o.URL = c.urls()
	w := writing(t, o)
	w.most = healing
	w.progress(t, "the start")
	mend := c.cut(t, c.leader(t, o), 2)
	w.progress(t, "a leader that is cut from both servers")
	mend()
	w.progress(t, "the way back")
	if os.Getenv("MAINSTEM_SOAK") != "" {
		mend = c.cut(t, c.leader(t, o), 1)
		select { // who leads may change with each election of these seconds, so nobody need get on
		case <-time.After(6 * time.Second):
		case <-t.Context().Done():
		}
		mend()
		w.progress(t, "the way back to one")
		gone := c.leader(t, o)
		must(t, gone.on.Leave())
		w.progress(t, "a leader that is cut from everybody")
		must(t, gone.on.Return())
		w.progress(t, "its return")
	}
	w.end(t, o)
}

// TestAnotherServerIsAsked: where the server that a log is connected to is there, and
// brings nothing to those that have the stream, the log turns to another one.
func TestAnotherServerIsAsked(t *testing.T) {
	t.Parallel() // it waits for its patience
	c := newCluster(t, 1).inProcess(t)
	first, second := newProxy(t, c.nodes[0]), newProxy(t, c.nodes[0])
	o := c.options()
	o.URL = "nats://" + first.listener.Addr().String() + ",nats://" + second.listener.Addr().String()
	o.NATS = []nats.Option{nats.DontRandomize(), nats.IgnoreDiscoveredServers()}
	o.AckWait, o.Timeout = 100*time.Millisecond, 20*time.Second
	l := open(t, o)
	head, err := l.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	must(t, err)
	lost := func(*frame) []*frame { return nil }
	first.treat(lost, nil)
	next, err := l.Append(t.Context(), head, link(head, "second"))
	must(t, err)
	must(t, l.Confirm(t.Context(), next))
	first.treat(nil, nil)
	second.treat(lost, nil)
	if at, err := readUntil(t, l, 2); err != nil || at < 2 {
		t.Errorf("it reads up to slot %d, %v", at, err)
	}
}
