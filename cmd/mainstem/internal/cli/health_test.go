package cli

import (
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/node"
)

// TestUnready: a node with a partition down sends callers to the others; a server that
// is alone goes on with what it has.
func TestUnready(t *testing.T) {
	whole, down := node.PartitionFigures{}, node.PartitionFigures{Partition: 3, Down: mainstem.Corrupt}
	for _, c := range []struct {
		all          []node.PartitionFigures
		alone, among mainstem.Code
	}{
		{[]node.PartitionFigures{whole, whole}, 0, 0},
		{[]node.PartitionFigures{whole, down}, 0, mainstem.Corrupt},
		{[]node.PartitionFigures{down, down}, mainstem.Corrupt, mainstem.Corrupt},
		{[]node.PartitionFigures{down}, mainstem.Corrupt, mainstem.Corrupt},
	} {
		if alone, among := mainstem.CodeOf(unready(c.all, false)), mainstem.CodeOf(unready(c.all, true)); alone != c.alone || among != c.among {
			t.Errorf("%+v: %s alone, %s among others", c.all, alone, among)
		}
	}
}
