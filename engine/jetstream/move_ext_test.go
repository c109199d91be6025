package jetstream_test

import (
	"context"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/journal"
)

// TestMovesToJetStreamAndAway: three nodes move from a log in memory to a real server
// of JetStream, and from there to another log, while clients ask all of them. What they
// saw is linearizable, and every change is in every feed once (L2, L5, L8).
func TestMovesToJetStreamAndAway(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	sim.Rounds(t, 1, func(t *testing.T, seed uint64) {
		o, home, away := c.options(), sharedlog.NewStore(), sharedlog.NewStore()
		nodes := sim.NewCluster(t, seed)
		nodes.Reach = func(ctx context.Context, url string) (*journal.Database, error) {
			if url == "memory://away" {
				d, _ := sharedlog.Database([16]byte{2}, away)
				return d, nil
			}
			return jetstream.OpenDatabase(ctx, o, 1)
		}
		for range 3 {
			logs, _ := sharedlog.Database([16]byte{1}, home)
			nodes.Start(logs)
		}
		nodes.Judge(seed, func(stop <-chan struct{}) int {
			for i, url := range []string{"jetstream://", "memory://away"} {
				nodes.Move(i, url)
				select {
				case <-stop:
				case <-time.After(100 * time.Millisecond):
				}
			}
			return 2
		})
	})
}
