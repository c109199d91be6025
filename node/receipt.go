package node

import (
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/state"
)

func wallTime(unixNano int64) time.Time { return time.Unix(0, unixNano).UTC() }

// complete adds to a receipt what only the whole database knows: its token,
// and whether the engine's promise is weak.
func (p *partition) complete(r *mainstem.Receipt) error {
	return p.completeFrom(p.store.Rows(), p.tail, r)
}

// completeFrom is complete with what a frozen view shows.
func (p *partition) completeFrom(rows state.Rows, tail *state.Tail, r *mainstem.Receipt) error {
	r.Weak = strings.Join(p.log().guarantees.Weak, "; ")
	if !r.Token.IsZero() {
		return nil
	}
	mark, err := tail.MarkAt(rows, r.Position)
	if err != nil {
		return p.damaged(err)
	}
	r.Token = mainstem.NewToken(mark)
	return nil
}
