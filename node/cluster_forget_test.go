package node_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/node"
)

// members are the names that a node knows, partition by partition.
func (m *member) members() (names []string) {
	for _, p := range m.Backend().(*node.Node).Reports() {
		for _, r := range p.Members {
			names = append(names, r.Name)
		}
	}
	return names
}

// TestForget: a node that is lost for good is counted no more once somebody says so:
// what waited for it goes on. One that lives is not lost.
func TestForget(t *testing.T) {
	c := gatherOn(t, 3, 2)
	a, b, lost := c.nodes[0], c.nodes[1], c.nodes[2]
	c.put(a, "k", "1")
	for name, want := range map[string]string{"a": "does not forget itself", "c": "it answers at", "nobody": "there are: a, b, c"} {
		if err := a.Forget(t.Context(), name); mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("forgetting %q: %v, want %q", name, err, want)
		}
	}
	c.announce("old", record.First) // and one of a program that knows one version only
	if err := c.startAnew(b, embedded.Activate(record.Newest)); mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), `node "old"`) {
		t.Fatalf("activating with a node that knows one version: %v", err)
	}
	c.stop(lost)
	for _, name := range []string{"c", "old"} {
		if err := a.Forget(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.members(); !slices.Equal(got, []string{"a", "b", "a", "b"}) {
		t.Errorf("members of both partitions are %v", got)
	}
	if err := c.startAnew(b, embedded.Activate(record.Newest)); err != nil {
		t.Fatal(err)
	}
	c.put(b, "k", "2")
	c.want(a, mainstem.Latest(), "k", "2")
	// It was not lost after all.
	c.start(lost)
	c.put(lost, "k", "3")
	eventually(t, "the node that came back is a member", func() bool { return slices.Contains(a.members(), "c") })
}

// TestForgottenWhileAway: a node that others could not reach, and forgot, says so of
// itself when it reads that.
func TestForgottenWhileAway(t *testing.T) {
	c := gather(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.put(a, "k", "1")
	b.cut(true)
	if err := a.Forget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if got := a.members(); slices.Contains(got, "b") {
		t.Errorf("members are %v", got)
	}
	c.put(a, "k", "1.5") // it reads more than that it was forgotten
	b.cut(false)
	eventually(t, "the forgotten node is a member again", func() bool { return slices.Contains(a.members(), "b") })
	c.put(b, "k", "2")
	c.want(a, mainstem.Latest(), "k", "2")
	c.same()
}
