package webhook

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Config says where events go.
type Config struct {
	// URL is where to, http or https.
	URL string
	// Source names the schema that the events come from, in their IDs.
	Source pg.Source
	// Secrets sign each request, every one of them: to change a secret, add the
	// new one, give it to the receiver, and take the old one away. Each is
	// "whsec_" and the base64 of 24 to 64 random bytes: see NewSecret.
	Secrets []string
	// ContentType says of what content type the data of events of a type are; nil
	// means application/json for all. JSON, by this name or with the suffix +json,
	// stands in the body as it is, and data that are none are refused. All else
	// stands there in base64. It must give the same answer each time.
	ContentType func(eventType string) string
	// Parallel is how many requests may be under way at once, at most
	// LimitParallel. 0 means 1, which keeps the order of all events; with more,
	// events keep the order of their stream.
	Parallel int
	// Timeout is how long an answer may take, connecting included; 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// Bounds and defaults of a Config, and of what is read of an answer.
const (
	DefaultTimeout  = 15 * time.Second
	LimitParallel   = 256
	LimitRetryAfter = 5 * time.Minute // a receiver that wants longer is asked again after this
	limitAnswer     = 64 << 10        // bytes of an answer that are read, so that its connection can be used again
)

// Sink is a receiver, as its sender sees it. It is for one consumer: it remembers,
// while a batch is not done, which of its events were taken. After Forget make a
// new one.
type Sink struct {
	config Config
	keys   []key
	client *http.Client

	mu    sync.Mutex
	taken map[mainstem.Position]bool // of a batch that is not done
	pause time.Time                  // nothing is sent before; asked for by the receiver
}

// New checks the configuration and makes a sink, without a request.
func New(c Config) (*Sink, error) {
	if err := c.Source.Check(); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, mainstem.Errorf(mainstem.Invalid, "the webhook's URL cannot be read: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, mainstem.Errorf(mainstem.Invalid, "the webhook's URL %s is not http or https with a host", u.Redacted())
	case c.Parallel < 0 || c.Parallel > LimitParallel:
		return nil, mainstem.Errorf(mainstem.Invalid, "a webhook with %d requests at once; between 1 and %d are possible", c.Parallel, LimitParallel)
	case c.Timeout < 0:
		return nil, mainstem.Errorf(mainstem.Invalid, "a webhook with a timeout of %s", c.Timeout)
	}
	c.Parallel = max(c.Parallel, 1)
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	keys, err := parseSecrets(c.Secrets)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport:     c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.Secrets = nil // keys are all that is kept of them
	return &Sink{config: c, keys: keys, client: client, taken: map[mainstem.Position]bool{}}, nil
}

// Deliver sends events, and is what pg.Consumer.Deliver asks for. An event that was
// taken before another of its batch failed is not sent again with it. It returns
// the error of a failing way once it has come no further: a receiver that takes a few
// at a time gets all without the growing pauses of the relay.
func (s *Sink) Deliver(ctx context.Context, events []pg.Event) error {
	if len(events) == 0 {
		return nil
	}
	s.forget(events[0].Position)
	for {
		if err := s.wait(ctx); err != nil {
			return err
		}
		before := s.count()
		way, own := s.sendAll(ctx, events)
		switch {
		case way != nil && (ctx.Err() != nil || s.count() == before):
			return way
		case way != nil:
			s.later(rest)
			continue
		case own != nil:
			return own
		}
		s.forget(events[len(events)-1].Position + 1)
		return nil
	}
}

// rest is how long a receiver is left alone that took something, and then failed.
const rest = 50 * time.Millisecond

// count is how many events of a batch that is not done were taken.
func (s *Sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.taken)
}

// forget drops what lies behind the cursor.
func (s *Sink) forget(before mainstem.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.taken {
		if at < before {
			delete(s.taken, at)
		}
	}
}

// later keeps the receiver from being asked for a while.
func (s *Sink) later(pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := time.Now().Add(pause); until.After(s.pause) {
		s.pause = until
	}
}

// wait waits until the receiver may be asked.
func (s *Sink) wait(ctx context.Context) error {
	s.mu.Lock()
	pause := time.Until(s.pause)
	s.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sendAll sends lanes side by side. A lane ends at its first error; one of the way
// ends them all, after the requests that are under way. It returns the first of
// either kind.
func (s *Sink) sendAll(ctx context.Context, events []pg.Event) (way, own error) {
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		stopped atomic.Bool
	)
	all := lanes(events, s.config.Parallel)
	work := make(chan []pg.Event, len(all))
	for _, lane := range all {
		work <- lane
	}
	close(work)
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !mainstem.CodeOf(err).Retryable() && ctx.Err() == nil:
			if own == nil {
				own = err
			}
		case way == nil:
			way = err
			stopped.Store(true)
		}
	}
	for range min(s.config.Parallel, len(all)) {
		workers.Go(func() {
			for lane := range work {
				for _, e := range lane {
					if stopped.Load() {
						return
					}
					if err := s.send(ctx, e); err != nil {
						failed(err)
						break
					}
				}
			}
		})
	}
	workers.Wait()
	return way, own
}

// lanes are what may be sent side by side: everything is one lane if only one
// request may be under way, else each stream is.
func lanes(events []pg.Event, parallel int) (lanes [][]pg.Event) {
	if parallel == 1 {
		return [][]pg.Event{events}
	}
	of := map[string]int{}
	for _, e := range events {
		i, ok := of[e.Stream]
		if !ok {
			i = len(lanes)
			of[e.Stream], lanes = i, append(lanes, nil)
		}
		lanes[i] = append(lanes[i], e)
	}
	return lanes
}
