package remote

import (
	"cmp"
	"slices"
	"sync"
	"time"

	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// zones is when servers were asked at last where they stand.
type zones struct {
	mu     sync.Mutex
	asked  time.Time
	asking sync.WaitGroup
}

// wait returns when nobody is asked any more, after the client's life has ended.
func (z *zones) wait() {
	z.mu.Lock() // whoever begins to ask has seen that life before
	defer z.mu.Unlock()
	z.asking.Wait()
}

// learnZones asks all servers where they stand, beside the call that wants to know,
// unless that was done lately.
func (c *client) learnZones() {
	z := &c.zones
	z.mu.Lock()
	defer z.mu.Unlock()
	if c.life.Err() != nil || !z.asked.IsZero() && time.Since(z.asked) < ZoneEvery {
		return
	}
	z.asked = time.Now()
	for _, s := range c.servers {
		z.asking.Go(func() { s.learnZone(DialTimeout) })
	}
}

func (s *server) learnZone(most time.Duration) {
	m, err := call(s.life, s, most, s.rpc.Status, &pb.StatusRequest{})
	if err != nil {
		return // its zone stays what it was: one that is away does not move
	}
	zone := m.GetZone()
	s.zone.Store(&zone)
}

func (s *server) stands(zone string) bool {
	known := s.zone.Load()
	return known != nil && *known == zone
}

// nearest are the servers in their order, those of the client's own zone before the
// others.
func (c *client) nearest() []*server {
	near := slices.Clone(c.servers)
	slices.SortStableFunc(near, func(a, b *server) int { return cmp.Compare(c.far(a), c.far(b)) })
	return near
}

func (c *client) far(s *server) int {
	if s.stands(c.zone) {
		return 0
	}
	return 1
}
