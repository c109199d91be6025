// Package wire is what clients, pods and the provider say to each other: JSON by
// HTTP. Each listens on a Unix socket that has its name, in one directory, so that
// nobody else can take the port of a pod that was killed.
package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// KeyHeader carries the sender's key for a request, which its repetitions share.
const KeyHeader = "Idempotency-Key"

// SessionHeader carries what a client has seen from one pod to the next.
const SessionHeader = "Mainstem-Session"

// Payment is what a client asks for, and what it is told of it.
type Payment struct {
	Order  string `json:"order"`
	Amount int64  `json:"amount"` // in cents
	Status string `json:"status,omitempty"`
	// Replica says that it was read on a replica.
	Replica bool `json:"replica,omitempty"`
}

// Charge is what a pod asks the provider for, and its answer.
type Charge struct {
	ID     string `json:"id,omitempty"` // the provider's name for it
	Order  string `json:"order"`
	Amount int64  `json:"amount"`
}

// Confirmation is what the provider calls back with after a charge, at least once.
type Confirmation struct {
	ID    string `json:"id"` // of this message: each repetition has the same
	Order string `json:"order"`
	Fee   int64  `json:"fee"` // in cents
}

// Client calls whoever listens in a directory, as http://NAME/.
func Client(dir string, timeout time.Duration) *http.Client {
	var dialer net.Dialer
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			name, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, "unix", socket(dir, name))
		},
	}}
}

// Listen listens under a name, also where somebody of that name was killed.
func Listen(ctx context.Context, dir, name string) (net.Listener, error) {
	if err := os.Remove(socket(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var config net.ListenConfig
	return config.Listen(ctx, "unix", socket(dir, name))
}

func socket(dir, name string) string { return filepath.Join(dir, name+".sock") }

// Answer writes a value with a status.
func Answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone asks again
}
