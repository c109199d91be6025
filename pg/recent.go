package pg

import (
	"sync"
	"time"
)

// recent remembers for a while who wrote. The zero value is ready.
type recent struct {
	mu    sync.Mutex
	at    map[string]time.Time
	sweep int // from how many names on it is time to forget old ones
}

func (r *recent) note(who string, keep time.Duration) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at, r.sweep = map[string]time.Time{}, 1000
	}
	r.at[who] = now
	if len(r.at) < r.sweep {
		return
	}
	for name, at := range r.at {
		if now.Sub(at) > keep {
			delete(r.at, name)
		}
	}
	r.sweep = max(1000, 2*len(r.at))
}

func (r *recent) is(who string, keep time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.at[who]
	return ok && time.Since(at) <= keep
}
