package postgres_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/internal/sim"
)

// TestNodesOnPostgreSQL: three nodes, each with a way of its own to the server, while
// connections break, answers are lost, and the server dies and comes back.
func TestNodesOnPostgreSQL(t *testing.T) {
	own := pgtest.Start(t, pgserver.Config{})
	sim.Rounds(t, 2, func(t *testing.T, seed uint64) {
		c := install(t, own, 1)
		nodes := sim.NewCluster(t, seed)
		var ways []*proxy.Proxy
		for range 3 {
			way := proxied(t, own)
			c.URL = through(t, way)
			ways = append(ways, way)
			logs, err := postgres.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			nodes.Start(logs)
		}
		r := rand.New(rand.NewPCG(seed, 7))
		nodes.Judge(seed, func(stop <-chan struct{}) int { return harm(t, r, own, ways, stop) })
	})
}

// harm does one thing after the other until stop is closed.
func harm(t *testing.T, r *rand.Rand, s *pgserver.Server, ways []*proxy.Proxy, stop <-chan struct{}) (deeds int) {
	for ; ; deeds++ {
		select {
		case <-stop:
			for _, way := range ways {
				way.Lose(nil)
			}
			return deeds
		case <-time.After(time.Duration(20+r.IntN(60)) * time.Millisecond):
		}
		way := ways[r.IntN(len(ways))]
		switch r.IntN(5) {
		case 0:
			way.Break()
		case 1:
			way.LoseOnce("append", proxy.LoseAnswer)
		case 2:
			way.LoseOnce("append", proxy.LoseIt)
		case 3:
			way.LoseOnce("confirm", proxy.LoseAnswer)
		case 4:
			if r.IntN(3) == 0 {
				if err := errors.Join(s.Kill(), s.Up(context.Background())); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
