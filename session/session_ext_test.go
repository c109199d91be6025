package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(b byte) []byte { return bytes.Repeat([]byte{b}, session.MinKey) }

// pod is one instance of a service, on a replica that is behind.
type pod struct {
	follower *mainstemtest.Follower
	url      *url.URL
}

// newPod starts an instance of a service before a replica of its own, which it asks
// over the wire.
func newPod(t *testing.T, behind mainstem.Backend, c session.Config, service http.Handler) *pod {
	t.Helper()
	follower, err := mainstemtest.NewFollower(t.Context(), behind)
	if err != nil {
		t.Fatal(err)
	}
	db, err := remote.Open(mainstemtest.Serve(t, follower))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keeper, err := session.New(db.DB, c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(keeper.Handler(service))
	web.Config.Protocols = new(http.Protocols)
	web.Config.Protocols.SetHTTP1(true)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	t.Cleanup(web.Close)
	parsed, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &pod{follower: follower, url: parsed}
}

// profiles is a service of plain HTTP: PUT writes the profile, GET reads what the
// replica has.
func profiles() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		profile := session.Of(r.Context()).DB().Group("profile-1")
		if r.Method == http.MethodPut {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				_, err = profile.Do(r.Context(), "", func(tx *mainstem.Txn) error { tx.Put("name", body); return nil })
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		v, err := profile.Get(r.Context(), "name", mainstem.Local())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(v.Value.Bytes)
	})
}

// roundRobin is a proxy that gives each request to the next pod.
func roundRobin(t *testing.T, pods ...*pod) string {
	t.Helper()
	var n atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(pods[(n.Add(1)-1)%int64(len(pods))].url)
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// browser is a client, with cookies or without.
func browser(t *testing.T, cookies bool) *http.Client {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	t.Cleanup(c.CloseIdleConnections)
	if cookies {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Jar = jar
	}
	return c
}

func send(t *testing.T, c *http.Client, method, url, body string, headers ...string) (status int, text string, response *http.Response) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err = c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(all), response
}

// TestOwnWritesAreRead: behind a proxy that spreads requests over pods whose replicas
// are behind, a browser reads what it has written. Without the token it does not.
func TestOwnWritesAreRead(t *testing.T) {
	for _, carried := range []string{"cookie", "header", "nothing"} {
		t.Run(carried, func(t *testing.T) {
			behind := mainstemtest.Open(t)
			config := session.Config{Keys: [][]byte{key('k')}, Cookie: "seen", Plain: true}
			pods := []*pod{newPod(t, behind.Backend(), config, profiles()), newPod(t, behind.Backend(), config, profiles())}
			proxy, client := roundRobin(t, pods...), browser(t, carried == "cookie")
			status, text, response := send(t, client, http.MethodPut, proxy, "anna")
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, text)
			}
			var headers []string
			if carried == "header" {
				headers = []string{session.Header, response.Header.Get(session.Header)}
			}
			answers := make(chan string, 2)
			for range pods {
				go func() {
					_, text, _ := send(t, client, http.MethodGet, proxy, "", headers...)
					answers <- text
				}()
			}
			if carried == "nothing" {
				for range pods {
					if got := <-answers; got != "" {
						t.Errorf("without a token a replica that is behind says %q: this test sees nothing", got)
					}
				}
				return
			}
			catchUp(t, pods)
			for range pods {
				if got := <-answers; got != "anna" {
					t.Errorf("read %q after writing anna", got)
				}
			}
		})
	}
}

// catchUp waits until a read waits for a write at each replica, and lets them have it.
func catchUp(t *testing.T, pods []*pod) {
	t.Helper()
	patience, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, p := range pods {
		for p.follower.Waiting() == 0 {
			if patience.Err() != nil {
				t.Fatal("no read waits for the write")
			}
			runtime.Gosched()
		}
		if err := p.follower.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStrangeTokensAreRefused(t *testing.T) {
	behind := mainstemtest.Open(t)
	own := session.Config{Keys: [][]byte{key('k'), key('o')}, Cookie: "seen", Plain: true}
	p := newPod(t, behind.Backend(), own, profiles())
	keeper := func(keys ...[]byte) *session.Keeper {
		k, err := session.New(behind.DB, session.Config{Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	seen := mainstem.NewToken(mainstem.Mark{Incarnation: 1, Position: 7})
	good, old, foreign := keeper(key('k')).Sign(seen), keeper(key('o')).Sign(seen), keeper(key('x')).Sign(seen)
	_, unsigned, _ := strings.Cut(good, ".")
	refused := map[string]string{
		"foreign": foreign, "cut off": good[:len(good)-2], "without a signature": unsigned, "signature of nothing": "." + unsigned,
		"another token": keeper(key('k')).Sign(mainstem.Token{}) + unsigned, "no token": "nonsense",
		"short signature": base64.RawURLEncoding.EncodeToString([]byte("short")) + "." + unsigned,
	}
	client := browser(t, false)
	for name, token := range refused {
		for _, headers := range [][]string{{session.Header, token}, {"Cookie", "seen=" + token}} {
			status, text, response := send(t, client, http.MethodGet, p.url.String(), "", headers...)
			if status != http.StatusBadRequest || !strings.Contains(text, "session token") {
				t.Errorf("%s in %s: %d %s", name, headers[0], status, text)
			}
			if set := response.Header.Get("Set-Cookie"); !strings.Contains(set, "Max-Age=0") {
				t.Errorf("%s: the cookie is not taken back: %q", name, set)
			}
		}
	}
	for name, token := range map[string]string{"new key": good, "old key": old} {
		got, err := keeper(key('k'), key('o')).Parse(token)
		if err != nil || got != seen {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	db := mainstemtest.Open(t).DB
	many := make([][]byte, session.LimitKeys+1)
	for i := range many {
		many[i] = key('k')
	}
	for name, c := range map[string]session.Config{
		"no key": {}, "a short key": {Keys: [][]byte{key('k')[1:]}}, "many keys": {Keys: many},
		"a bad name": {Keys: [][]byte{key('k')}, Cookie: "a b"}, "no time": {Keys: [][]byte{key('k')}, CookieAge: -1},
	} {
		if _, err := session.New(db, c); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := session.New(db, session.Config{Keys: many[1:], Cookie: "ok"}); err != nil {
		t.Error(err)
	}
}

// TestLargeTokensStayOutOfCookies: a browser would drop them without a word.
func TestLargeTokensStayOutOfCookies(t *testing.T) {
	db := mainstemtest.Open(t).DB
	keeper, err := session.New(db, session.Config{Keys: [][]byte{key('k')}, Cookie: "seen"})
	if err != nil {
		t.Fatal(err)
	}
	for marks, want := range map[int]bool{100: true, 200: false} {
		w := httptest.NewRecorder()
		keeper.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for i := range marks {
				session.Of(r.Context()).See(mainstem.NewToken(mainstem.Mark{Partition: i, Incarnation: 1, Position: 1}))
			}
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		if got := w.Header().Get("Set-Cookie") != ""; got != want || w.Header().Get(session.Header) == "" {
			t.Errorf("%d marks: cookie %t, header %t", marks, got, w.Header().Get(session.Header) != "")
		}
	}
	if session.Of(t.Context()) != nil {
		t.Error("a session without a Handler")
	}
}

// TestCookieIsKeptFromOthers: a page's own script and other sites do not get it, and
// it goes over TLS only, unless that was given up.
func TestCookieIsKeptFromOthers(t *testing.T) {
	db := mainstemtest.Open(t).DB
	for _, plain := range []bool{false, true} {
		for age, want := range map[time.Duration]int{0: int(session.DefaultCookieAge.Seconds()), time.Minute: 60} {
			keeper, err := session.New(db, session.Config{Keys: [][]byte{key('k')}, Cookie: "seen", CookieAge: age, Plain: plain})
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			keeper.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				session.Of(r.Context()).See(mainstem.NewToken(mainstem.Mark{Incarnation: 1, Position: 1}))
			})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			all := w.Result().Cookies()
			if len(all) != 1 || !all[0].HttpOnly || all[0].Secure == plain || all[0].SameSite != http.SameSiteLaxMode || all[0].MaxAge != want || all[0].Path != "/" {
				t.Errorf("plain %t, age %s: %v", plain, age, all)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	keeper, err := session.New(nil, session.Config{Keys: [][]byte{key('k')}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(keeper.Sign(mainstem.NewToken(mainstem.Mark{Position: 3})))
	f.Add(".")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := keeper.Parse(text)
		if err == nil && keeper.Sign(token) != text {
			t.Errorf("%q is accepted and signed as %q", text, keeper.Sign(token))
		}
	})
}
