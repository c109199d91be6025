package access

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
)

// request is one with an Authorization header for each text.
func request(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}}
}

func write(t testing.TB, g *Gate, entries ...Entry) {
	t.Helper()
	text := []byte("clients: []")
	var err error
	for _, e := range entries {
		if text, err = Add(text, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(g.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReload: a changed file is in force at the next request; a removed client stops
// on open views and feeds; a bad file changes nothing and is told.
func TestReload(t *testing.T) {
	db := database(t)
	g := gateOf(t, entry("a", everything), entry("b", everything))
	a, b := Guard(db.Backend(), as(t, g, "a")), Guard(db.Backend(), as(t, g, "b"))
	v, err := a.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	commit := func(b mainstem.Backend) error {
		_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1, Operations: put("x")})
		return err
	}
	if err := commit(a); err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, err := range a.Changes(t.Context(), mainstem.From{}) {
		if next++; next == 2 {
			judge(t, "a feed of the removed", err, false)
			break
		}
		write(t, g, entry("b", Rule{Rights: []Right{Read}, Groups: []string{"g"}}))
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		judge(t, "a transaction of b, who may only read now", commit(b), false)
		if _, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "2"}, Attempt: 1}); err != nil {
			t.Fatal(err)
		}
	}
	judge(t, "a transaction of the removed", commit(a), false)
	_, err = v.Read(t.Context(), mainstem.Query{Kind: mainstem.QueryGet, Group: "g", Name: "x"})
	judge(t, "a question of the removed", err, false)
	if _, ok := g.client(request("Bearer a")); ok {
		t.Error("the removed was let in")
	}
	if _, ok := g.client(request("Bearer b")); !ok {
		t.Error("who stayed was not let in")
	}

	for what, damage := range map[string]func() error{
		"wrong":   func() error { return os.WriteFile(g.file, []byte("clients: [{}]"), 0o600) },
		"missing": func() error { return os.Remove(g.file) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := g.Reload(); err == nil || g.Problem() == nil || !strings.Contains(g.Problem().Error(), g.file) {
				t.Errorf("a file that is %s: %v, %v", what, err, g.Problem())
			}
		}
		if _, ok := g.client(request("Bearer b")); !ok {
			t.Errorf("with a file that is %s the policy before is gone", what)
		}
	}
	write(t, g, entry("a", everything))
	if err := g.Reload(); err != nil || g.Problem() != nil {
		t.Errorf("a right file again: %v, %v", err, g.Problem())
	}
	judge(t, "a transaction of who is back", commit(a), true)
}

// TestBadPolicyIsToldOnce: however often it is looked at, by name of the file and with
// the line, and again when it is bad in another way; no text of it is repeated that could
// be a token.
func TestBadPolicyIsToldOnce(t *testing.T) {
	g := gateOf(t, entry("a", everything))
	var told bytes.Buffer
	Log(slog.New(slog.NewTextHandler(&told, nil))).apply(g)
	token := NewToken()
	for i, text := range []string{"clients:\n- name: b\n", "clients:\n- {name: b, tokens: [{sha256: " + token + "}], rules: []}\n"} {
		if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := g.Reload(); err == nil || strings.Contains(g.Problem().Error(), token) {
				t.Errorf("it was loaded, or a token is told: %v", g.Problem())
			}
		}
		if n := strings.Count(told.String(), "stays in force"); n != i+1 || strings.Count(told.String(), g.file) < i+1 || !strings.Contains(told.String(), "line 2") {
			t.Errorf("it was told %d times:\n%s", n, told.String())
		}
	}
	if err := os.Remove(g.file); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = g.Reload() // it is told, which is what counts
	}
	if n := strings.Count(told.String(), "stays in force"); n != 3 {
		t.Errorf("with the file that is gone it was told %d times:\n%s", n, told.String())
	}
	if strings.Contains(told.String(), token) {
		t.Errorf("a token is told:\n%s", told.String())
	}
}

// TestNameIsNotEnough: a client that takes the name of another does not take over
// its connections, and a token that moves to another client does not move those.
func TestNameIsNotEnough(t *testing.T) {
	db := database(t)
	g := gateOf(t, entry("a", everything))
	b := Guard(db.Backend(), as(t, g, "a"))
	for _, e := range []Entry{
		{Name: "a", Tokens: []Token{{SHA256: HashOf("other")}}, Rules: []Rule{everything}},
		{Name: "b", Tokens: []Token{{SHA256: HashOf("a")}}, Rules: []Rule{everything}},
	} {
		write(t, g, e)
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1})
		judge(t, "the old connection after a became "+e.Name, err, false)
	}
}

// TestUsageOutlivesReload: a reload is no new burst, and gives no places back.
func TestUsageOutlivesReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		e := entry("c", everything)
		e.Limits = Limits{Requests: 1, Burst: 2, Concurrent: 1}
		g := gateOf(t, e)
		b := Guard(db.Backend(), as(t, g, "c"))
		v, err := b.View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		if err != nil {
			t.Fatal(err)
		}
		write(t, g, e, entry("d", everything))
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
		commit := func() mainstem.Code {
			_, err := b.Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1})
			return mainstem.CodeOf(err)
		}
		if code := commit(); code != mainstem.Overloaded {
			t.Errorf("beside the view: %s", code)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if code := commit(); code != mainstem.Overloaded {
			t.Errorf("after the burst: %s", code)
		}
		time.Sleep(time.Second)
		if code := commit(); code != 0 {
			t.Errorf("a second later: %s", code)
		}
	})
}

// TestWatch: the file is looked at by itself.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(t, entry("a", everything))
		go g.Watch(t.Context())
		write(t, g, entry("b", everything))
		time.Sleep(PollEvery - 1)
		synctest.Wait()
		if _, ok := g.client(request("Bearer b")); ok {
			t.Error("the file was looked at too early")
		}
		time.Sleep(1)
		synctest.Wait()
		_, a := g.client(request("Bearer a"))
		_, b := g.client(request("Bearer b"))
		if a || !b {
			t.Errorf("after %s: a is let in %t, b %t", PollEvery, a, b)
		}
	})
}

// TestReloadUnderLoad: while the policy changes all the time, a client that is in all
// versions is never refused, and one that is in none never let in.
func TestReloadUnderLoad(t *testing.T) {
	db := database(t)
	g := gateOf(t, entry("stays", everything))
	var work sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		work.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				who, ok := g.client(request("Bearer stays"))
				if !ok {
					t.Error("who stays was refused")
					return
				}
				if _, err := Guard(db.Backend(), who).Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: made(), Attempt: 1}); mainstem.CodeOf(err) == mainstem.Denied {
					t.Error(err)
					return
				}
				if _, ok := g.client(request("Bearer never")); ok {
					t.Error("a stranger was let in")
					return
				}
			}
		})
	}
	for i := range 100 {
		if i%2 == 0 {
			write(t, g, entry("first", everything), entry("stays", everything))
		} else {
			write(t, g, entry("stays", everything), entry("last", everything))
		}
		if err := g.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	work.Wait()
}
