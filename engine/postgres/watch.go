package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// How often a node asks for news: rarely where the server tells it, and often where
// it cannot, behind a transaction pooler for example.
const (
	pollListening = 250 * time.Millisecond
	pollAlone     = 20 * time.Millisecond
	// notifyEvery is the least time between two notifications of one node. They are
	// sent beside the appends, never in them: NOTIFY makes commits wait for each other.
	notifyEvery = 2 * time.Millisecond
)

// watcher knows how far each partition is, as far as this process has heard.
type watcher struct {
	server *server
	life   context.Context
	end    context.CancelFunc
	all    sync.WaitGroup
	wake   chan struct{} // there may be news
	tell   chan struct{} // there are news for others

	mu      sync.Mutex
	tails   []uint64
	waiting int
	changed chan struct{} // closed when a tail has moved
}

func newWatcher(s *server, partitions int) *watcher {
	w := &watcher{
		server: s, tails: make([]uint64, partitions), changed: make(chan struct{}),
		wake: make(chan struct{}, 1), tell: make(chan struct{}, 1),
	}
	w.life, w.end = context.WithCancel(context.Background())
	heard := make(chan bool, 1)
	w.all.Go(func() { w.listen(heard) })
	w.all.Go(func() { w.poll(heard) })
	w.all.Go(w.notify)
	return w
}

func (w *watcher) close() {
	w.end()
	w.all.Wait()
}

// appended notes what this process has appended.
func (w *watcher) appended(part int, slot uint64) {
	w.moved(part, slot)
	poke(w.tell)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *watcher) moved(part int, slot uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if part < len(w.tails) && slot > w.tails[part] {
		w.tails[part] = slot
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// wait returns nil once the partition is at slot.
func (w *watcher) wait(ctx, life context.Context, part int, slot uint64) error {
	poke(w.wake) // what others did before this process looked, too
	for {
		w.mu.Lock()
		there, changed := w.tails[part] >= slot && w.tails[part] > 0, w.changed
		w.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-life.Done():
			return errClosed
		}
	}
}

// poll asks how far the partitions are.
func (w *watcher) poll(heard <-chan bool) {
	every, backoff := pollAlone, time.Duration(0)
	for {
		select {
		case listening := <-heard:
			every = pollAlone
			if listening {
				every = pollListening
			}
		case <-w.wake:
		case <-time.After(max(every, backoff)):
		case <-w.life.Done():
			return
		}
		if w.look() == nil {
			backoff = 0
		} else {
			backoff = min(max(2*backoff, pollAlone), time.Second)
		}
	}
}

func (w *watcher) look() error {
	return w.server.query(w.life, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, w.server.in("SELECT part, tail FROM $S.tails()"))
		if err != nil {
			return err
		}
		var part int16
		var tail int64
		_, err = pgx.ForEachRow(rows, []any{&part, &tail}, func() error {
			w.moved(int(part), uint64(tail))
			return nil
		})
		return err
	})
}

// listen keeps a connection on which the server says that there are news.
func (w *watcher) listen(heard chan<- bool) {
	for backoff := 50 * time.Millisecond; w.life.Err() == nil; backoff = min(2*backoff, 5*time.Second) {
		conn, err := pgx.ConnectConfig(w.life, w.server.pool.Config().ConnConfig)
		if err == nil {
			if _, err = conn.Exec(w.life, "LISTEN "+quote(w.server.schema+"_tail")); err == nil {
				w.say(heard, true)
				backoff = 50 * time.Millisecond
			}
			for err == nil {
				poke(w.wake)
				_, err = conn.WaitForNotification(w.life)
			}
			w.say(heard, false)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = conn.Close(ctx) // it is broken, or the process ends
			cancel()
		}
		select {
		case <-time.After(backoff):
		case <-w.life.Done():
		}
	}
}

func (w *watcher) say(heard chan<- bool, listening bool) {
	select {
	case heard <- listening:
	case <-w.life.Done():
	}
}

// notify tells other nodes that this one has appended.
func (w *watcher) notify() {
	for {
		select {
		case <-w.tell:
		case <-w.life.Done():
			return
		}
		// That it fails costs others a poll.
		_ = w.server.query(w.life, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '')", w.server.schema+"_tail")
			return err
		})
		select {
		case <-time.After(notifyEvery):
		case <-w.life.Done():
			return
		}
	}
}
