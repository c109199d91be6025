package mainstemtest

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// OpenRemote opens an empty database in memory behind a server on a port of its
// own, and is its client. What a test does with it goes over the network.
func OpenRemote(t testing.TB, opts ...embedded.Option) *remote.DB {
	t.Helper()
	db, err := remote.Open(Serve(t, Open(t, opts...).Backend()))
	if err != nil {
		t.Fatalf("mainstemtest: open a client: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("mainstemtest: close the client: %v", err)
		}
	})
	return db
}

// Serve puts a server before b, on a port of its own of the loopback interface,
// and returns its address. The test's cleanup ends it.
func Serve(t testing.TB, b mainstem.Backend, opts ...server.Option) string {
	t.Helper()
	return ServeHandler(t, server.New(b, opts...))
}

// ServeHandler is Serve for a server that the test has made, to drain it for example.
func ServeHandler(t testing.TB, handler *server.Server) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("mainstemtest: listen: %v", err)
	}
	web := server.HTTP(handler)
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := handler.Drain(ctx); err != nil {
			t.Errorf("mainstemtest: drain the server: %v", err)
		}
		if err := web.Close(); err != nil {
			t.Errorf("mainstemtest: close the server: %v", err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("mainstemtest: serve: %v", err)
		}
	})
	return "http://" + listener.Addr().String()
}
