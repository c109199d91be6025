package observe_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/observe"
	"github.com/mainstemdb/mainstem/remote"
)

// TestFollowerOverTheWireIsBehind: what a server has sent to a follower is not done
// with until the follower's cursor has passed it, also when the feed has ended here.
func TestFollowerOverTheWireIsBehind(t *testing.T) {
	w := start(t, observe.New())
	const changes = 50
	large := mainstem.Bytes(make([]byte, 16<<10)) // so that they are several batches
	for i := range changes {
		w.wants(0, "g", fmt.Sprint(i), mainstem.Put{Name: "k", Value: large})
	}
	address := mainstemtest.Serve(t, w.db.Backend())
	away, err := remote.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	ctx, stop := context.WithCancel(t.Context())
	gate, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- away.Follow(ctx, "slow", mainstem.Match{Groups: []string{"g"}}, func(ctx context.Context, _ *mainstem.Txn, _ []mainstem.Change) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	given := func() float64 { return w.told()[`feed_changes_total{follower="slow"}`] }
	eventually(t, "all is sent", func() bool { return given() >= changes })
	const name = `feed_behind_positions{follower="slow"}`
	if n := w.told()[name]; n < changes {
		t.Errorf("it has %d changes in hand or on their way, and is behind by %v", changes, n)
	}
	if age := w.told()[`feed_behind_seconds{follower="slow"}`]; age <= 0 {
		t.Errorf("it is behind by %v s", age)
	}
	gate <- struct{}{}
	eventually(t, "its cursor has passed the first", func() bool {
		n, head := w.told()[name], w.told()[`partition_position{partition="0"}`]
		return n > 0 && n < head
	})
	close(gate)
	eventually(t, "it is done", func() bool { return w.told()[name] == 0 })
	w.wants(0, "g", "more", put("k"))
	eventually(t, "it has had one more", func() bool { return given() > changes && w.told()[name] == 0 })
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
