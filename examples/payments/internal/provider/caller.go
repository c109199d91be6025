package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
)

// Caller is how a pod calls the provider.
type Caller struct {
	client *http.Client
	name   string
}

// How long a pod waits for the provider: for a charge, and for the rate, without
// which it cannot settle anyway.
const (
	chargeTime = time.Second
	rateTime   = 10 * time.Second
)

// NewCaller is the caller of a pod of that name.
func NewCaller(dir, name string) *Caller {
	return &Caller{client: wire.Client(dir, rateTime), name: name}
}

// Charge charges an order under a key. After an error nobody knows whether it was
// charged; the same key charges no second time.
func (c *Caller) Charge(ctx context.Context, key string, charge wire.Charge) (done wire.Charge, err error) {
	body, err := json.Marshal(charge)
	if err != nil {
		return done, err
	}
	ctx, cancel := context.WithTimeout(ctx, chargeTime)
	defer cancel()
	err = c.call(ctx, http.MethodPost, "/charges", key, body, &done)
	return done, err
}

// Rate is today's exchange rate.
func (c *Caller) Rate(ctx context.Context) (rate int64, err error) {
	err = c.call(ctx, http.MethodGet, "/rate", "", nil, &rate)
	return rate, err
}

func (c *Caller) call(ctx context.Context, method, path, key string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+Name+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	// This header has net/http repeat a call by itself whose connection breaks:
	// harmless, since the provider goes by it.
	if key != "" {
		r.Header.Set(wire.KeyHeader, key)
	}
	r.Header.Set("User-Agent", c.name)
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the provider answered %s", answer.Status)
	}
	return json.Unmarshal(text, into)
}
