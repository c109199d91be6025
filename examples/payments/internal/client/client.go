// Package client is the customers: each pays one order after the other, repeats a
// request under its key until it has an answer, and then looks for its payment
// through another pod. What they were told is what the audit goes by.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
)

// Crowd is many customers at once.
type Crowd struct {
	Dir       string // where the pods listen
	Pods      []string
	Customers int
	Seed      uint64
	Length    time.Duration // for how long new orders are made
	Patience  time.Duration // for how long after that an order is still repeated
	Think     time.Duration // how long a customer waits between two orders, on average

	http *http.Client
	mu   sync.Mutex
	told Told
}

// Told is what the customers were told.
type Told struct {
	Requests     int      // orders, each with a key of its own
	Attempts     int      // calls that were made for them
	Acknowledged []string // the orders that were answered with 201
	Reads        int      // own payments looked for
	Stale        int      // of them, answered as if there were none
	Unread       int      // of them, never answered
	Replica      int      // of them, answered by a replica
}

// attemptTime is when a customer gives a call up and repeats it.
const attemptTime = 1500 * time.Millisecond

// Run runs until every customer is done. An error is an answer that should never come.
func (c *Crowd) Run(ctx context.Context) error {
	c.http = wire.Client(c.Dir, attemptTime)
	defer c.http.CloseIdleConnections()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	begun := time.Now()
	var customers sync.WaitGroup
	for number := range c.Customers {
		customers.Go(func() {
			rng := rand.New(rand.NewPCG(c.Seed, uint64(number)))
			for n := 0; time.Since(begun) < c.Length; n++ {
				give, done := context.WithDeadline(ctx, begun.Add(c.Length+c.Patience))
				err := c.buy(give, rng, fmt.Sprintf("%d-%d", number, n))
				done()
				if err != nil {
					fail(err)
				}
				if pace.Pause(ctx, pace.UpTo(rng, 2*c.Think)) != nil {
					return
				}
			}
		})
	}
	customers.Wait()
	return context.Cause(ctx)
}

// Told is what has been told up to now.
func (c *Crowd) Told() Told {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.told
	told.Acknowledged = append([]string{}, told.Acknowledged...)
	return told
}

func (c *Crowd) note(fn func(t *Told)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fn(&c.told)
}

// buy pays one order, as often as it takes, and looks for the payment.
func (c *Crowd) buy(ctx context.Context, rng *rand.Rand, order string) error {
	body, err := json.Marshal(wire.Payment{Order: order, Amount: 100 + rng.Int64N(9900)})
	if err != nil {
		return err
	}
	c.note(func(t *Told) { t.Requests++ })
	pod := rng.IntN(len(c.Pods))
	var clicked sync.WaitGroup
	defer clicked.Wait()
	if rng.IntN(10) == 0 { // a double click
		clicked.Go(func() { _, _, _ = c.pay(ctx, pod+1, order, body) })
	}
	for ; ; pod++ {
		status, token, err := c.pay(ctx, pod, order, body)
		switch {
		case status == http.StatusCreated:
			c.note(func(t *Told) { t.Acknowledged = append(t.Acknowledged, order) })
			c.look(ctx, pod+1, order, token)
			return nil
		case again(status, err):
		default:
			return fmt.Errorf("order %s was answered in a way that should not happen: %d", order, status)
		}
		if pace.Pause(ctx, 20*time.Millisecond+pace.UpTo(rng, 60*time.Millisecond)) != nil {
			return nil // never acknowledged
		}
	}
}

// again says that an answer asks to come again.
func again(status int, err error) bool {
	return err != nil || status >= 500 || status == http.StatusConflict || status == http.StatusTooManyRequests
}

// look reads the payment that was just acknowledged, through another pod.
func (c *Crowd) look(ctx context.Context, pod int, order, token string) {
	c.note(func(t *Told) { t.Reads++ })
	for range 20 {
		status, p, err := c.read(ctx, pod, order, token)
		switch {
		case err == nil && status == http.StatusOK:
			c.note(func(t *Told) {
				if p.Replica {
					t.Replica++
				}
			})
			return
		case err == nil && status == http.StatusNotFound:
			c.note(func(t *Told) { t.Stale++ })
			return
		}
		pod++
		if pace.Pause(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	c.note(func(t *Told) { t.Unread++ })
}

// pay asks a pod for a payment; the order's name is its key too.
func (c *Crowd) pay(ctx context.Context, pod int, order string, body []byte) (status int, token string, err error) {
	c.note(func(t *Told) { t.Attempts++ })
	answer, _, err := c.call(ctx, http.MethodPost, pod, "/payments", http.Header{wire.KeyHeader: {order}}, body)
	if err != nil {
		return 0, "", err
	}
	return answer.StatusCode, answer.Header.Get(wire.SessionHeader), nil
}

func (c *Crowd) read(ctx context.Context, pod int, order, token string) (status int, p wire.Payment, err error) {
	header := http.Header{}
	if token != "" {
		header.Set(wire.SessionHeader, token)
	}
	answer, text, err := c.call(ctx, http.MethodGet, pod, "/payments/"+order, header, nil)
	if err != nil {
		return 0, p, err
	}
	if answer.StatusCode == http.StatusOK {
		err = json.Unmarshal(text, &p)
	}
	return answer.StatusCode, p, err
}

// call makes one call of one pod, and reads its answer.
func (c *Crowd) call(ctx context.Context, method string, pod int, path string, header http.Header, body []byte) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.Pods[pod%len(c.Pods)]+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header = header
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer, text, err
}
