// Package provider is the payment provider, which is not under our control. It is
// slow, fails before a charge and after it, and confirms a charge more than once;
// but it charges once per Idempotency-Key, as providers do. Its book is the truth
// about who was charged.
package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
)

// Name is what the provider listens as.
const Name = "provider"

// Provider is the provider's server.
type Provider struct {
	seed    uint64
	pods    []string
	client  *http.Client
	server  *http.Server
	tasks   sync.WaitGroup
	ctx     context.Context
	stop    context.CancelFunc
	asked   chan string
	stopped chan struct{}

	mu       sync.Mutex
	byKey    map[string]wire.Charge
	attempts map[string]int // by order
	charges  map[string]int // by order: the book
}

// Start serves in a directory, and confirms charges to pods. What it does to the
// nth attempt to charge an order is decided by the seed.
func Start(ctx context.Context, dir string, seed uint64, pods []string) (*Provider, error) {
	p := &Provider{
		seed: seed, pods: pods, client: wire.Client(dir, confirmationTime), asked: make(chan string), stopped: make(chan struct{}),
		byKey: map[string]wire.Charge{}, attempts: map[string]int{}, charges: map[string]int{},
	}
	p.ctx, p.stop = context.WithCancel(ctx)
	listener, err := wire.Listen(ctx, dir, Name)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", p.charge)
	mux.HandleFunc("GET /rate", p.rate)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: confirmationTime}
	go func() {
		defer close(p.stopped)
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the provider has ended", "err", err)
		}
	}()
	return p, nil
}

// Close ends the provider, and waits for what it has begun.
func (p *Provider) Close() error {
	p.stop()
	err := p.server.Close()
	<-p.stopped
	p.tasks.Wait()
	p.client.CloseIdleConnections()
	return err
}

// Charges is how often each order was charged.
func (p *Provider) Charges() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	charges := make(map[string]int, len(p.charges))
	for order, n := range p.charges {
		charges[order] = n
	}
	return charges
}

// RateAsked gives the name of a pod that asks for the rate, at the moment when it
// begins to wait for the answer. Only who is listening then hears it.
func (p *Provider) RateAsked() <-chan string { return p.asked }

// How long things take at the provider.
const (
	quick            = 2 * time.Millisecond
	slow             = 600 * time.Millisecond
	rateDelay        = 120 * time.Millisecond
	late             = time.Second // after a charge, for its last repeated confirmation
	confirmationTime = 2 * time.Second
)

// mischief is what happens to one attempt.
type mischief int

const (
	none       mischief = iota
	slowly              // it takes a while
	refused             // 503, and nothing is charged
	cut                 // it is charged, and the connection breaks
	unanswered          // it is charged, and no answer comes
	honest     = 3      // from this attempt for an order on, nothing happens to it
)

// mischief draws what happens to the nth attempt to charge an order.
func (p *Provider) mischief(order string, n int) (m mischief, confirmations int) {
	h := fnv.New64a()
	h.Write([]byte(order))
	rng := rand.New(rand.NewPCG(p.seed, h.Sum64()+uint64(n)))
	confirmations = 1
	if rng.IntN(4) == 0 {
		confirmations = 3
	}
	if n >= honest {
		return none, confirmations
	}
	switch draw := rng.IntN(100); {
	case draw < 10:
		m = slowly
	case draw < 18:
		m = refused
	case draw < 25:
		m = cut
	case draw < 30:
		m = unanswered
	}
	return m, confirmations
}

func (p *Provider) charge(w http.ResponseWriter, r *http.Request) {
	var c wire.Charge
	key := r.Header.Get(wire.KeyHeader)
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || c.Order == "" || key == "" {
		http.Error(w, "a charge needs an order and an "+wire.KeyHeader, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	n := p.attempts[c.Order]
	p.attempts[c.Order]++
	p.mu.Unlock()
	m, confirmations := p.mischief(c.Order, n)
	time.Sleep(map[bool]time.Duration{false: quick, true: slow}[m == slowly]) //tidy:sleep that is how long it takes, also where the caller has hung up
	if m == refused {
		http.Error(w, "come again", http.StatusServiceUnavailable)
		return
	}
	c = p.once(key, c, confirmations)
	switch m {
	case cut:
		panic(http.ErrAbortHandler) //tidy:panic net/http breaks the connection for it
	case unanswered:
		select {
		case <-r.Context().Done():
		case <-p.ctx.Done():
		}
	default:
		wire.Answer(w, http.StatusOK, c)
	}
}

// once charges, unless that key has charged before; then it tells the first charge.
func (p *Provider) once(key string, c wire.Charge, confirmations int) wire.Charge {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.byKey[key]; ok {
		return first
	}
	c.ID = fmt.Sprintf("ch_%d", len(p.byKey)+1)
	p.byKey[key] = c
	p.charges[c.Order]++
	message := wire.Confirmation{ID: "evt_" + c.ID, Order: c.Order, Fee: c.Amount / 50}
	for n := range confirmations {
		p.tasks.Go(func() { p.confirm(message, n) })
	}
	return c
}

// rate is today's exchange rate, which takes a moment to be found.
func (p *Provider) rate(w http.ResponseWriter, r *http.Request) {
	select {
	case p.asked <- r.UserAgent():
	default:
	}
	if pace.Pause(r.Context(), rateDelay) == nil {
		wire.Answer(w, http.StatusOK, 1)
	}
}
