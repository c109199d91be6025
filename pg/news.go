package pg

import (
	"context"
	"sync"
	"time"
)

// news tells those who wait that something was numbered. The zero value is ready.
type news struct {
	mu   sync.Mutex
	next chan struct{}
}

// heard is closed when something is told after this call.
func (n *news) heard() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// hear passes on what the relay of another pod tells, until ctx ends.
func (r *Relay) hear(ctx context.Context) {
	for pause := time.Duration(0); sleep(ctx, pause); pause = time.Second {
		conn, err := listen(ctx, r, "numbered")
		if err != nil {
			continue // consumers poll
		}
		r.news.tell() // what was told before it listened
		for err == nil {
			if _, err = conn.WaitForNotification(ctx); err == nil {
				r.news.tell()
			}
		}
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		_ = conn.Close(closing) // it is given up either way
		cancel()
	}
}
