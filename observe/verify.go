package observe

import (
	"sync/atomic"

	"github.com/mainstemdb/mainstem/node"
)

// checked counts what verifying logs has found.
type checked struct{ sound, damaged, digests atomic.Uint64 }

// Verified counts what verifying has found, for whoever does it at intervals, as
// mainstem serve does: a partition whose chain, digests and state agree with a replay of
// its log, or one where they do not. A database that serves looks at sums and at the
// chain by itself, and stops at damage; only a replay compares digests.
func (o *Observer) Verified(found []node.Verification) {
	for _, v := range found {
		o.checked.digests.Add(uint64(v.Digests))
		if v.Problem == "" {
			o.checked.sound.Add(1)
		} else {
			o.checked.damaged.Add(1)
		}
	}
}
