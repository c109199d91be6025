package node

import (
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

func wallTime(unixNano int64) time.Time { return time.Unix(0, unixNano).UTC() }

// complete adds to a receipt what only the whole database knows: its token,
// and whether the engine's promise is weak.
func (p *partition) complete(r *mainstem.Receipt) error {
	r.Weak = strings.Join(p.node.cfg.Guarantees.Weak, "; ")
	if !r.Token.IsZero() {
		return nil
	}
	p.mu.RLock()
	tail := p.tail
	p.mu.RUnlock()
	mark, err := tail.MarkAt(p.store.Rows(), r.Position)
	if err != nil {
		return p.damaged(err)
	}
	r.Token = mainstem.NewToken(mark)
	return nil
}
