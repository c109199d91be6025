package remote_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
)

func TestMain(m *testing.M) {
	if dir, addr, is := strings.Cut(os.Getenv(child), " "); is {
		fmt.Fprintln(os.Stderr, beChild(dir, addr)) // it does not end by itself otherwise
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// dial is a client of the addresses that prefers the first, closed with the test.
func dial(t testing.TB, addresses string, opts ...remote.Option) *remote.DB {
	t.Helper()
	db, err := remote.Open(addresses, append([]remote.Option{remote.Pick(0)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// proxied is a client behind a proxy that misbehaves on command.
func proxied(t *testing.T, b mainstem.Backend, opts ...remote.Option) (*remote.DB, *proxy.Proxy) {
	t.Helper()
	p := before(t, mainstemtest.Serve(t, b))
	return dial(t, "http://"+p.Addr(), opts...), p
}

// before is a proxy before the server of that address.
func before(t *testing.T, address string) *proxy.Proxy {
	t.Helper()
	p, err := proxy.To(strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() }) // its listener is all that could fail
	return p
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// add adds one to a counter under an ID of the caller's.
func add(ctx context.Context, db *mainstem.DB, group, id string) (*mainstem.Receipt, error) {
	return db.Group(group).Do(ctx, id, func(tx *mainstem.Txn) error {
		tx.Add("n", 1)
		return nil
	})
}

// count is the counter.
func count(t *testing.T, db *mainstem.DB, group string) int64 {
	t.Helper()
	v, err := db.Get(within(t, 10*time.Second), group, "n", mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	return v.Value.Int
}

func wantCode(t *testing.T, err error, want mainstem.Code) {
	t.Helper()
	if got := mainstem.CodeOf(err); got != want {
		t.Errorf("code %v (%v), must be %v", got, err, want)
	}
}
