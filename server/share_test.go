package server

import (
	"testing"
	"time"
)

// exhaust takes places for one stream until there is none.
func exhaust(t *testing.T, s *share) (n int) {
	t.Helper()
	for ; ; n++ {
		switch {
		case !s.take():
			return n
		case n > LimitCommits:
			t.Fatalf("after %d places there is one more", n)
		}
	}
}

// newPool is a pool as a Server begins with it.
func newPool() *pool {
	p := &pool{}
	p.most.Store(LimitCommits)
	return p
}

// TestShares: alone a stream gets half; greedy ones get as much as each other, and
// leave room for one that comes late and wants little.
func TestShares(t *testing.T) {
	for streams, want := range map[int]int{1: 8192, 3: 4096, 15: 1024, 1023: 16} {
		p := newPool()
		all := make([]*share, streams)
		for i := range all {
			all[i] = p.open()
		}
		// They ask in turns, as streams do that are read side by side.
		for asking := true; asking; {
			asking = false
			for _, s := range all {
				asking = s.take() || asking
			}
		}
		for _, s := range all {
			if n := s.taken.Load(); n < int64(want)-1 || n > int64(want) {
				t.Errorf("of %d streams one has %d places, want %d", streams, n, want)
			}
		}
		late := p.open()
		if n := exhaust(t, late); n < want/2 {
			t.Errorf("beside %d greedy streams one that comes late gets %d places, and they %d each", streams, n, want)
		}
		for _, s := range append(all, late) {
			for s.taken.Load() > 0 {
				s.free()
			}
			s.close()
		}
		if n := p.taken.Load(); n != 0 {
			t.Errorf("%d places are taken by nobody", n)
		}
		if n := exhaust(t, p.open()); n != LimitCommits/2 {
			t.Errorf("afterwards a stream alone gets %d places, want half of %d", n, LimitCommits)
		}
	}
}

// TestPlacesAdapt: slow transactions are fewer, down to what is always let in; where
// they are slow and few, that is not for want of places; fast ones are many again.
func TestPlacesAdapt(t *testing.T) {
	p := newPool()
	now := time.Now()
	look := func(took time.Duration, times int) int64 {
		for range times {
			now = now.Add(lookEvery)
			p.learn(took, now)
		}
		return p.places()
	}
	if n := look(time.Second, 100); n != LimitCommits {
		t.Errorf("slow, and nobody waits: %d places", n)
	}
	s := p.open()
	exhaust(t, s)
	if n := look(slowCommit, 10); n != LimitCommits {
		t.Errorf("not slow: %d places", n)
	}
	if n := look(slowCommit+1, 1); n != LimitCommits*4/5 {
		t.Errorf("slow once: %d places", n)
	}
	if n := look(time.Second, 100); n != leastCommits+2 {
		t.Errorf("slow for ten seconds: %d places, want %d and two for the stream", n, leastCommits)
	}
	for range 1000 {
		p.open()
	}
	if n := look(time.Second, 100); n != leastCommits+2*1001 {
		t.Errorf("slow for ten seconds, with a thousand more streams: %d places", n)
	}
	if n := look(time.Millisecond, 60); n != LimitCommits {
		t.Errorf("six seconds after it was slow: %d places", n)
	}
}

// TestFirstPlace: a stream that has nothing under way gets a place where the others
// have left none, and the limit of all holds.
func TestFirstPlace(t *testing.T) {
	p := newPool()
	p.most.Store(0)
	one := p.open()
	p.taken.Store(LimitCommits - 1)
	if !one.take() || one.take() {
		t.Error("of the last places one stream gets none or two, want one")
	}
	if other := p.open(); other.take() {
		t.Errorf("%d transactions are under way; the limit is %d", p.taken.Load(), LimitCommits)
	}
	if n := p.taken.Load(); n != LimitCommits {
		t.Errorf("%d places are taken, want %d", n, LimitCommits)
	}
}
