package node_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/node"
)

// poison changes the value of a key in the state of a node that is down, as bad
// memory would: no checksum tells.
func (c *cluster) poison(m *member) {
	c.t.Helper()
	s, err := store.Open(store.Config{FS: m.fs, Dir: dir + "/p0000/state", Memory: store.MinMemory})
	if err != nil {
		c.t.Fatal(err)
	}
	for row, err := range s.Rows().Scan([]byte("k"), []byte("l")) {
		if err != nil {
			c.t.Fatal(err)
		}
		value := bytes.Replace(row.Value, []byte("sound"), []byte("SOUND"), 1)
		if bytes.Equal(value, row.Value) {
			continue
		}
		if err := s.Apply([]state.Write{{Key: append([]byte(nil), row.Key...), Value: value}}); err != nil {
			c.t.Fatal(err)
		}
		break
	}
	for _, end := range []func() error{s.Flush, s.Close} {
		if err := end(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// sweepAll has the node that wrote last settle the digest of every range once.
func (c *cluster) sweepAll(writer *member) {
	c.t.Helper()
	for range state.Ranges + 2 {
		n := writer.Backend().(*node.Node)
		if n.Reports()[0].Error != "" || n.Checkpoint(c.t.Context()) != nil {
			return
		}
		// Each digest is taken beside the loops, once the record that asks for it is applied;
		// give them the time for it.
		asked := writer.report().Index
		eventually(c.t, "the digests are taken", func() bool {
			for _, m := range c.nodes {
				if r := m.report(); r.Error == "" && (r.Index < asked || m.Backend().(*node.Node).Sweeping(0)) {
					return false
				}
			}
			return true
		})
	}
}

// TestSickNodeStops: one node's state is not what the log says. One sweep finds it;
// the nodes say what they have; the sick one stops, and the others go on, whether
// it wrote last or not (L12).
func TestSickNodeStops(t *testing.T) {
	for name, sick := range map[string]int{"a follower": 2, "the one that writes": 0} {
		t.Run(name, func(t *testing.T) {
			c := gather(t, 3)
			for _, m := range c.nodes {
				c.put(m, "key", "sound")
			}
			c.same()
			bad := c.nodes[sick]
			c.stop(bad)
			c.poison(bad)
			c.start(bad)
			writer := c.nodes[0]
			c.put(writer, "other", "1")
			c.same()
			c.sweepAll(writer)
			eventually(t, "the sick node stops", func() bool { return bad.report().Error != "" })
			if e := bad.report().Error; !strings.Contains(e, "most nodes have") || !strings.Contains(e, "corrupt") {
				t.Errorf("the sick node says %q (L12)", e)
			}
			if _, err := bad.Get(t.Context(), "g", "key", mainstem.Local()); mainstem.CodeOf(err) != mainstem.Corrupt {
				t.Errorf("the sick node still reads: %v (L12)", err)
			}
			for i, m := range c.nodes {
				if i == sick {
					continue
				}
				c.put(m, "after", m.name)
				c.want(m, mainstem.Latest(), "key", "sound")
				if e := m.report().Error; e != "" {
					t.Errorf("node %s, which is sound, says %q", m.name, e)
				}
			}
		})
	}
}

// TestNoMajority: of two nodes, one is sick, and nobody can say which. Both stop (L12).
func TestNoMajority(t *testing.T) {
	c := gather(t, 2)
	c.put(c.nodes[0], "key", "sound")
	c.same()
	c.stop(c.nodes[1])
	c.poison(c.nodes[1])
	c.start(c.nodes[1])
	c.put(c.nodes[0], "other", "1")
	c.same()
	c.sweepAll(c.nodes[0])
	for _, m := range c.nodes {
		eventually(t, "node "+m.name+" stops", func() bool { return m.report().Error != "" })
		if e := m.report().Error; !strings.Contains(e, "do not agree") {
			t.Errorf("node %s says %q (L12)", m.name, e)
		}
	}
}

// TestSoundNodesAgree: nodes that started at different times, one of them from
// nothing, have the same digests.
func TestSoundNodesAgree(t *testing.T) {
	c := gather(t, 3)
	for i, m := range c.nodes {
		c.put(m, "key", "sound")
		if i == 1 {
			c.stop(c.nodes[2])
			c.nodes[2].fs = disk.NewMem()
			c.start(c.nodes[2])
		}
	}
	began := time.Now()
	c.sweepAll(c.nodes[0])
	c.put(c.nodes[1], "after", "all")
	c.same()
	for _, m := range c.nodes {
		if r := m.report(); r.Error != "" || len(r.Contested) > 0 {
			t.Errorf("node %s: %q, contested %v", m.name, r.Error, r.Contested)
		}
	}
	t.Logf("%d digests in %s", state.Ranges, time.Since(began))
}
