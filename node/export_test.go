package node

import (
	"slices"

	"github.com/mainstemdb/mainstem/internal/state"
)

// FillIDs has a node believe that it remembers as many of the callers' IDs as it may.
func (n *Node) FillIDs() {
	for _, p := range n.parts {
		p.turn.Lock()
		tail := *p.tail
		tail.Buckets = slices.Clone(tail.Buckets)
		tail.Buckets[len(tail.Buckets)-1].IDs = state.LimitIDs
		p.tail, p.ahead = &tail, &tail
		p.turn.Unlock()
	}
}
