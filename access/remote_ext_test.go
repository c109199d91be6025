package access_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// wired is a server behind a policy: web writes the stock of the shop, ship follows.
type wired struct {
	url, file, web, ship string
	policy               []byte
	gate                 *access.Gate
}

func start(t *testing.T) *wired {
	t.Helper()
	db, err := embedded.InMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &wired{web: access.NewToken(), ship: access.NewToken(), file: filepath.Join(t.TempDir(), "policy.yaml")}
	for _, e := range []access.Entry{
		{Name: "web", Tokens: []access.Token{{SHA256: access.HashOf(w.web)}}, Rules: []access.Rule{
			{Rights: []access.Right{access.Read, access.Write}, Groups: []string{"shop"}, Prefixes: []string{"stock/"}},
		}},
		{Name: "ship", Tokens: []access.Token{{SHA256: access.HashOf(w.ship)}}, Rules: []access.Rule{
			{Rights: []access.Right{access.Feed}, Groups: []string{"*"}},
		}},
	} {
		if w.policy, err = access.Add(w.policy, e); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t)
	if w.gate, err = access.Open(w.file); err != nil {
		t.Fatal(err)
	}
	w.url = listen(t, access.Middleware(w.gate, server.New(db.Backend(), server.Guard(access.Guarded)), "/healthz"))
	return w
}

func (w *wired) write(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(w.file, w.policy, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *wired) open(t *testing.T, token string) *remote.DB {
	t.Helper()
	db, err := remote.Open(w.url, remote.Bearer(func() (string, error) { return token, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func add(t *testing.T, db *remote.DB, name string) mainstem.Code {
	t.Helper()
	_, err := db.Group("shop").Do(t.Context(), "", func(tx *mainstem.Txn) error {
		tx.Add(name, 1)
		return nil
	})
	return mainstem.CodeOf(err)
}

// TestOverTheWire puts server, policy and clients together: they do what they may,
// and the rest is Denied, on a connection that was open before as well.
func TestOverTheWire(t *testing.T) {
	w := start(t)
	shop := w.open(t, w.web)
	for _, c := range []struct {
		what string
		db   *remote.DB
		name string
		want mainstem.Code
	}{
		{"web in its prefix", shop, "stock/a", 0},
		{"web elsewhere", shop, "other", mainstem.Denied},
		{"who may only follow", w.open(t, w.ship), "stock/a", mainstem.Denied},
		{"a stranger", w.open(t, access.NewToken()), "stock/a", mainstem.Denied},
	} {
		if code := add(t, c.db, c.name); code != c.want {
			t.Errorf("%s: %s, want %s", c.what, code, c.want)
		}
	}
	follows(t, w.open(t, w.ship), 0, 1)
	follows(t, w.open(t, w.web), mainstem.Denied, 0)
	follows(t, w.open(t, access.NewToken()), mainstem.Denied, 0)
	var err error
	if w.policy, err = access.Remove(w.policy, "web"); err != nil {
		t.Fatal(err)
	}
	w.write(t)
	if err := w.gate.Reload(); err != nil {
		t.Fatal(err)
	}
	if code := add(t, shop, "stock/a"); code != mainstem.Denied {
		t.Errorf("who was removed: %s", code)
	}
}

// TestTokenIsReplaced: a client goes on writing when its token has been replaced, though
// its transactions share a stream that was opened with the one before.
func TestTokenIsReplaced(t *testing.T) {
	w := start(t)
	var token atomic.Pointer[string]
	token.Store(&w.web)
	db, err := remote.Open(w.url, remote.Bearer(func() (string, error) { return *token.Load(), nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if code := add(t, db, "stock/a"); code != 0 {
		t.Fatalf("with the first token: %s", code)
	}
	next := access.NewToken()
	w.policy = bytes.ReplaceAll(w.policy, []byte(access.HashOf(w.web).String()), []byte(access.HashOf(next).String()))
	w.write(t)
	if err := w.gate.Reload(); err != nil {
		t.Fatal(err)
	}
	if code := add(t, db, "stock/a"); code != mainstem.Denied {
		t.Errorf("with the token that was taken away: %s", code)
	}
	token.Store(&next)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if code := add(t, db, "stock/a"); code != 0 {
				t.Errorf("with the new token: %s", code)
			}
		})
	}
	all.Wait()
}

// follows reads the feed to its end: so many changes, all made by web.
func follows(t *testing.T, db *remote.DB, want mainstem.Code, changes int) {
	t.Helper()
	seen, code := 0, mainstem.Code(0)
	for batch, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
		code = mainstem.CodeOf(err)
		for _, c := range batch.Changes {
			if seen++; c.Meta.Actor != "web" {
				t.Errorf("the actor is %q", c.Meta.Actor)
			}
		}
	}
	if code != want || seen != changes {
		t.Errorf("the feed gave %d changes and %s, want %d and %s", seen, code, changes, want)
	}
}

// listen serves on loopback until the test ends.
func listen(t *testing.T, handler http.Handler) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.HTTP(handler)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}
