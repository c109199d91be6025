package pg_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
)

// service is an endpoint under the middleware, and a client of it.
type service struct {
	t     *testing.T
	http  *pg.HTTP
	url   string
	close func()
	// method of what is sent; empty means POST.
	method string
}

func serve(t *testing.T, db *pg.DB, wrap func(*pg.HTTP) http.Handler) *service {
	h := &pg.HTTP{DB: db, Who: func(r *http.Request) string { return r.Header.Get("Account") }}
	s := httptest.NewServer(wrap(h))
	t.Cleanup(s.Close)
	return &service{t: t, http: h, url: s.URL, close: s.Close}
}

// post sends a request; headers are name, value, and so on.
func (s *service) post(path, key, body string, headers ...string) (status int, header http.Header, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), cmp.Or(s.method, http.MethodPost), s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set(pg.KeyHeader, key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(got)
}

// wants is post, and what must come of it.
func (s *service) wants(path, key, body string, status int, text string, headers ...string) http.Header {
	s.t.Helper()
	got, header, said := s.post(path, key, body, headers...)
	if got != status || !strings.Contains(said, text) {
		s.t.Fatalf("POST %s %s under %s: %d %s; want %d %s", path, body, key, got, said, status, text)
	}
	return header
}

// status makes a handler answer what the path asks for, with a count of its runs.
func echo(t *testing.T, db *pg.DB, runs *int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*runs++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if tx := pg.TxOf(r.Context()); tx != nil {
			effect(t, db, tx, string(body))
		}
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
			t.Error(err)
		}
		w.Header().Add("Link", "one")
		w.Header().Add("Link", "two")
		w.WriteHeader(status)
		fmt.Fprintf(w, "run %d of %s", *runs, body)
	})
}

// TestHTTP: the same status, headers and body on repeat; what must not be kept is
// not; another request under the key is 422; two senders may use one key.
func TestHTTP(t *testing.T) {
	db := open(t)
	runs := 0
	s := serve(t, db, func(h *pg.HTTP) http.Handler { return h.InTransaction(echo(t, db, &runs)) })
	first := s.wants("/201", "k1", "a", 201, "run 1 of a")
	again := s.wants("/201", `"k1"`, "a", 201, "run 1 of a")
	if fmt.Sprint(first["Link"], first["Content-Type"]) != fmt.Sprint(again["Link"], again["Content-Type"]) || len(again["Link"]) != 2 {
		t.Errorf("headers were %v, and are %v", first, again)
	}
	s.wants("/201", "k1", "b", 422, `"code":"id_reused"`)
	s.wants("/202", "k1", "a", 422, "id_reused")
	s.wants("/201?x=1", "k1", "a", 422, "id_reused")
	s.wants("/201", "k1", "a", 422, "id_reused", "Content-Type", "text/csv")
	s.method = http.MethodPut
	s.wants("/201", "k1", "a", 422, "id_reused")
	s.method = http.MethodPost
	s.wants("/201", "k1", "b", 201, "run 2 of b", "Account", "other")
	s.wants("/403", "k2", "c", 403, "run 3 of c")
	s.wants("/403", "k2", "c", 403, "run 3 of c")
	for i, status := range []int{500, 503, 429, 408} {
		s.wants(fmt.Sprintf("/%d", status), fmt.Sprintf("p%d", i), "d", status, "run")
	}
	before := runs
	s.wants("/500", "p0", "d", 500, "run")
	s.wants("/200", "", "e", 200, "run")
	s.wants("/200", "", "e", 200, "run")
	if runs != before+3 {
		t.Errorf("%d runs of three that are not kept", runs-before)
	}
	for name, want := range map[string]int64{"a": 1, "b": 1, "c": 0, "d": 0, "e": 2} {
		if got := effects(t, db, name); got != want {
			t.Errorf("%s had %d effects, want %d", name, got, want)
		}
	}
}

// TestHTTPRefuses: headers that are none, bodies that are too large.
func TestHTTPRefuses(t *testing.T) {
	db := open(t)
	runs := 0
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		h.Required, h.MaxBody = true, 10
		return h.InTransaction(echo(t, db, &runs))
	})
	for _, key := range []string{"", `""`, `"a`, `a"b`, "a b", "a,b", `"a\b"`, "ä", strings.Repeat("k", 256)} {
		s.wants("/200", key, "a", 400, `"code":"invalid"`)
	}
	s.wants("/200", "a", "a", 400, "2 times", pg.KeyHeader, "b")
	s.wants("/200", "a", strings.Repeat("b", 11), 413, "too_large")
	if runs != 0 {
		t.Errorf("the handler ran %d times", runs)
	}
	s.wants("/200", `"a\"\\ ,;b"`, strings.Repeat("b", 10), 200, "run 1")
	s.wants("/200", strings.Repeat("k", 255), "a", 200, "run 2")
}

// TestHTTPWhileRunning: a duplicate of a request that is running is 409, to be
// repeated; the connection to the server that breaks is not the client's affair.
func TestHTTPWhileRunning(t *testing.T) {
	db := open(t)
	p := proxied(t, running(t))
	inside, goOn := make(chan struct{}), make(chan struct{})
	runs := 0
	s := serve(t, through(t, db, p), func(h *pg.HTTP) http.Handler {
		return h.InTransaction(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if runs++; runs == 1 {
				close(inside)
				<-goOn
			}
			effect(t, db, pg.TxOf(r.Context()), "x")
			fmt.Fprint(w, "done")
		}))
	})
	done := make(chan int)
	go func() {
		status, _, _ := s.post("/", "k", "")
		done <- status
	}()
	<-inside
	if h := s.wants("/", "k", "", 409, "in_progress"); h.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	p.LoseOnce(commitMessage, proxy.LoseAnswer)
	close(goOn)
	if status := <-done; status != 200 || effects(t, db, "x") != 1 {
		t.Errorf("status %d with %d effects", status, effects(t, db, "x"))
	}
	s.wants("/", "k", "", 200, "done")
}

// TestClaimFirst: a claim whose outcome is not known is never run again by
// itself; somebody says what became of it.
func TestClaimFirst(t *testing.T) {
	db := open(t)
	runs := map[string]int{}
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		h.ClaimFor = 300 * time.Millisecond
		return h.ClaimFirst(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runs[r.URL.Path]++
			switch r.URL.Path {
			case "/dies":
				panic(http.ErrAbortHandler)
			case "/502":
				w.WriteHeader(http.StatusBadGateway)
			case "/nothing":
				pg.NothingDone(r.Context())
				w.WriteHeader(http.StatusBadGateway)
			default:
				fmt.Fprintf(w, "run %d", runs[r.URL.Path])
			}
		}))
	})
	s.wants("/ok", "k1", "", 200, "run 1")
	s.wants("/ok", "k1", "", 200, "run 1")
	s.wants("/nothing", "k2", "", 502, "")
	s.wants("/nothing", "k2", "", 502, "")
	s.wants("/502", "k3", "", 502, "")
	if h := s.wants("/502", "k3", "", 409, "in_progress"); h.Get("Retry-After") == "" {
		t.Error("no Retry-After while it may be running")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/dies", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(pg.KeyHeader, "k4")
	// Go's client itself repeats a request with this header when the connection breaks.
	if response, err := http.DefaultClient.Do(r); err == nil {
		response.Body.Close()
		if response.StatusCode != http.StatusConflict {
			t.Errorf("a handler that dies answers %d", response.StatusCode)
		}
	}
	eventually(t, "the claims are older than a handler may take", func() bool {
		return number(t, db, "SELECT count(*) FROM $S.request WHERE state = 3 AND clock_timestamp() - made > interval '300 ms'") == 2
	})
	for _, path := range []string{"/502 k3", "/dies k4"} {
		path, key, _ := strings.Cut(path, " ")
		if h := s.wants(path, key, "", 409, "undecided"); h.Get("Retry-After") != "" {
			t.Error("a claim that nobody can repeat asks to be repeated")
		}
	}
	run(t, db, "UPDATE $S.request SET until = until - interval '1 year' WHERE state = 3")
	if n, err := db.Clean(t.Context()); n != 0 || err != nil {
		t.Errorf("Clean took %d claims away: %v", n, err)
	}
	wantCode(t, db.Resolve(t.Context(), pg.Key("http", "", "k3"), pg.HTTPReply(200, nil, []byte("it did happen"))), 0)
	s.wants("/502", "k3", "", 200, "it did happen")
	wantCode(t, db.Resolve(t.Context(), pg.Key("http", "", "k4"), nil), 0)
	wantCode(t, db.Resolve(t.Context(), pg.Key("http", "", "k4"), nil), mainstem.Conflict)
	if want := (map[string]int{"/ok": 1, "/nothing": 2, "/502": 1, "/dies": 1}); fmt.Sprint(runs) != fmt.Sprint(want) {
		t.Errorf("runs %v, want %v", runs, want)
	}
}

// TestClaimOfSomebodyElse: a handler that goes on after its claim was resolved, and
// claimed anew, keeps no response in place of the other's.
func TestClaimOfSomebodyElse(t *testing.T) {
	db := open(t)
	began, goOn := make(chan int, 2), []chan string{make(chan string), make(chan string)}
	runs := 0
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		return h.ClaimFirst(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := runs
			runs++
			began <- n
			fmt.Fprint(w, <-goOn[n])
		}))
	})
	type outcome struct {
		status int
		text   string
	}
	var ended [2]chan outcome
	for n := range ended {
		ended[n] = make(chan outcome, 1)
		go func() {
			status, _, text := s.post("/", "k", "")
			ended[n] <- outcome{status, text}
		}()
		if got := <-began; got != n {
			t.Fatalf("handler %d runs, want %d", got, n)
		}
		if n == 0 {
			wantCode(t, db.Resolve(t.Context(), pg.Key("http", "", "k"), nil), 0)
		}
	}
	goOn[0] <- "first"
	if o := <-ended[0]; o.status != http.StatusServiceUnavailable {
		t.Errorf("the first, whose claim is gone: %+v", o)
	}
	goOn[1] <- "second"
	if o := <-ended[1]; o != (outcome{http.StatusOK, "second"}) {
		t.Errorf("the second: %+v", o)
	}
	s.wants("/", "k", "", 200, "second")
}

// TestClaimWithoutAnswer: the claim's COMMIT is not answered; the claim is known
// by its mark, and the handler runs once.
func TestClaimWithoutAnswer(t *testing.T) {
	for _, how := range []proxy.Loss{proxy.LoseIt, proxy.LoseAnswer} {
		db := open(t)
		p := proxied(t, running(t))
		runs := 0
		s := serve(t, through(t, db, p), func(h *pg.HTTP) http.Handler {
			return h.ClaimFirst(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				runs++
				fmt.Fprint(w, "done")
			}))
		})
		p.LoseOnce(commitMessage, how)
		s.wants("/", "k", "", 200, "done")
		s.wants("/", "k", "", 200, "done")
		if runs != 1 {
			t.Errorf("loss %d: the handler ran %d times", how, runs)
		}
	}
}

// TestHTTPRunsAgain: a handler whose transaction has to be run again sees the
// whole body again.
func TestHTTPRunsAgain(t *testing.T) {
	db := open(t)
	bodies := ""
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		return h.InTransaction(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies += string(body) + ";"
			if bodies == "whole;" {
				if err := pg.TxOf(r.Context()).Conn().Close(context.Background()); err != nil {
					t.Error(err)
				}
				w.WriteHeader(500)
				return
			}
			effect(t, db, pg.TxOf(r.Context()), "x")
		}))
	})
	s.wants("/", "k", "whole", 200, "")
	if bodies != "whole;whole;" || effects(t, db, "x") != 1 {
		t.Errorf("bodies %s, effects %d", bodies, effects(t, db, "x"))
	}
}
