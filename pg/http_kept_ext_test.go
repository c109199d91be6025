package pg_test

import (
	"net/http"
	"testing"
	"time"

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
