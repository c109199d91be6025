package mainstem_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

// blind is a Backend whose first views fail.
type blind struct {
	mainstem.Backend
	left atomic.Int64
	code mainstem.Code
}

func (b *blind) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if b.left.Add(-1) >= 0 {
		return nil, mainstem.Errorf(b.code, "no view yet")
	}
	return b.Backend.View(ctx, r)
}

// TestDoWaitsForItsBirth: Do makes an ID that says when it was born, which takes a
// read the first time. A caller without an ID has nothing to repeat, so Do repeats that
// read too; what repeating cannot help is told at once.
func TestDoWaitsForItsBirth(t *testing.T) {
	behind := open(t)
	count := func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil }
	b := &blind{Backend: behind.Backend(), code: mainstem.Unavailable}
	b.left.Store(3)
	do(t, mainstem.New(b).Group("g"), "", count)
	b.left.Store(1 << 40)
	ctx, cancel := context.WithTimeout(within(t), 20*time.Millisecond)
	defer cancel()
	_, err := mainstem.New(b).Group("g").Do(ctx, "", count)
	code(t, err, mainstem.Cancelled)
	b.code = mainstem.Denied
	_, err = mainstem.New(b).Group("g").Do(within(t), "", count)
	code(t, err, mainstem.Denied)
	v, err := behind.Get(within(t), "g", "n", mainstem.Latest())
	must(t, err)
	if v.Value.Int != 1 {
		t.Errorf("counted %d times", v.Value.Int)
	}
}
