package pg_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
)

// TestResolvedIsKept: a claim that somebody resolves when it is older than its age is
// kept for that age from then on, so nothing runs again.
func TestResolvedIsKept(t *testing.T) {
	db := open(t)
	runs := 0
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		h.Age, h.ClaimFor = time.Hour, time.Millisecond
		return h.ClaimFirst(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			runs++
			w.WriteHeader(http.StatusBadGateway)
		}))
	})
	s.wants("/", "k", "", 502, "")
	pass := func(of string) {
		run(t, db, "UPDATE $S.request SET made = made - interval '"+of+"', until = until - interval '"+of+"'")
	}
	pass("3 days")
	wantCode(t, db.Resolve(t.Context(), pg.Key("http", "", "k"), pg.HTTPReply(200, nil, []byte("it did happen"))), 0)
	for _, next := range []string{"0", "59 minutes"} {
		pass(next)
		if n, err := db.Clean(t.Context()); n != 0 || err != nil {
			t.Errorf("%s later %d keys are gone, %v", next, n, err)
		}
		s.wants("/", "k", "", 200, "it did happen")
	}
	pass("12 minutes")
	if n, err := db.Clean(t.Context()); n != 1 || err != nil || runs != 1 {
		t.Errorf("beyond its age %d keys are gone, %v; %d runs", n, err, runs)
	}
}

// TestLargeResponses: as many bytes as are promised are kept, in each way; of one that
// has more the client is not told that its request was too large.
func TestLargeResponses(t *testing.T) {
	db := open(t)
	for name, wrap := range map[string]func(h *pg.HTTP, next http.Handler) http.Handler{"transaction": (*pg.HTTP).InTransaction, "claim": (*pg.HTTP).ClaimFirst} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, db, func(h *pg.HTTP) http.Handler {
				return wrap(h, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					var status, header, body int
					if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d/%d", &status, &header, &body); err != nil {
						t.Error(err)
					}
					w.Header().Set("Large", strings.Repeat("h", header-len("Large")))
					w.WriteHeader(status)
					fmt.Fprint(w, strings.Repeat("\xff", body)) // what JSON cannot say in fewer
				}))
			})
			for i, c := range []struct{ status, header, body, want int }{
				{200, 5, mainstem.LimitValue, 200},
				{404, 5, mainstem.LimitValue, 404},
				{200, 60 << 10, mainstem.LimitValue, 200},
				{200, 5, mainstem.LimitValue + 1, 500},
				{200, 64<<10 + 1, 1, 500},
			} {
				path, key := fmt.Sprintf("/%d/%d/%d", c.status, c.header, c.body), fmt.Sprint(name, i)
				for range 2 {
					status, header, text := s.post(path, key, "")
					if status == 409 && c.want == 500 {
						continue // its claim stays
					}
					if status != c.want || c.want != 500 && (len(text) != c.body || len(header.Get("Large")) != c.header-5) {
						t.Errorf("%s: %d with %d bytes", path, status, len(text))
					}
				}
			}
		})
	}
}

// TestWithoutAKeyNobodyIsInvited: who sent no key, and got no answer, is not told to
// repeat what may have happened.
func TestWithoutAKeyNobodyIsInvited(t *testing.T) {
	db := open(t)
	p := proxied(t, running(t))
	s := serve(t, through(t, db, p), func(h *pg.HTTP) http.Handler {
		return h.InTransaction(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			effect(t, db, pg.TxOf(r.Context()), "x")
		}))
	})
	p.LoseOnce(commitMessage, proxy.LoseAnswer)
	status, header, text := s.post("/", "", "")
	if status != 500 || header.Get("Retry-After") != "" || strings.Contains(text, "repeat it") || !strings.Contains(text, "undecided") {
		t.Errorf("%d %v %s", status, header, text)
	}
	if n := effects(t, db, "x"); n != 1 {
		t.Errorf("%d effects", n)
	}
}
