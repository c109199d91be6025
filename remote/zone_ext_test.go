package remote_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// zoned is a server of a database in a zone, which counts the views that it opens.
type zoned struct {
	mainstem.Backend
	address string
	views   atomic.Int64
	away    func()
}

func (z *zoned) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	z.views.Add(1)
	return z.Backend.View(ctx, r)
}

func serveIn(t *testing.T, zone string, b mainstem.Backend) *zoned {
	t.Helper()
	z := &zoned{Backend: b}
	web := httptest.NewUnstartedServer(nil)
	web.Config = server.HTTP(server.New(z, server.Node("node-"+zone, zone)))
	web.Start()
	z.address, z.away = web.URL, func() { web.CloseClientConnections(); web.Close() }
	t.Cleanup(z.away)
	return z
}

// TestZone: a view that asks for Within goes to a server of the client's own zone,
// once it is known which that is; where that one is away, to another; and what asks
// for more than Within goes where it always went.
func TestZone(t *testing.T) {
	behind := mainstemtest.Open(t).Backend()
	west, east, north := serveIn(t, "west", behind), serveIn(t, "east", behind), serveIn(t, "north", behind)
	all := strings.Join([]string{west.address, east.address, north.address}, ",")
	db := dial(t, all, remote.Zone("north"), remote.Hedge(0))
	read := func(at mainstem.Consistency, want *zoned) bool {
		t.Helper()
		before := want.views.Load()
		if _, err := db.Get(within(t, 10*time.Second), "g", "k", at); err != nil {
			t.Fatal(err)
		}
		return want.views.Load() > before
	}
	for end := time.Now().Add(10 * time.Second); !read(mainstem.Within(time.Second), north); {
		if time.Now().After(end) {
			t.Fatal("the server of the client's own zone is not asked")
		}
	}
	for range 20 {
		if !read(mainstem.Within(time.Second), north) {
			t.Error("a view within 1 s went to another zone")
		}
		if !read(mainstem.Latest(), west) {
			t.Error("a view of the latest did not go to the first server")
		}
	}
	if n := east.views.Load(); n > 0 {
		t.Errorf("the server of a third zone was asked %d times", n)
	}
	north.away()
	for range 20 {
		if !read(mainstem.Within(time.Second), west) {
			t.Error("with its own zone away, a view did not go to the first server")
		}
	}
	s, err := db.Status(within(t, 10*time.Second))
	if err != nil || s.Node != "node-west" || s.Zone != "west" {
		t.Errorf("the status names node %q in zone %q, %v", s.Node, s.Zone, err)
	}
}

// TestZoneOfNobody: a client in a zone where no server stands is served all the same,
// and so is one that has no zone.
func TestZoneOfNobody(t *testing.T) {
	west := serveIn(t, "west", mainstemtest.Open(t).Backend())
	for _, opts := range [][]remote.Option{{remote.Zone("south")}, nil} {
		db := dial(t, west.address, opts...)
		for range 3 {
			if _, err := db.Get(within(t, 10*time.Second), "g", "k", mainstem.Within(0)); err != nil {
				t.Error(err)
			}
		}
	}
}
