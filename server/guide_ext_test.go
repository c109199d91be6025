package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/mainstemtest"
)

// TestMistakesInJSON: each says where it is and what would be right.
func TestMistakesInJSON(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	put := func(field string) string {
		return `{"transaction": {"group": "a", "operations": [{"put": {"name": "k", ` + field + `}}]}}`
	}
	for _, c := range []struct{ call, body, words string }{
		{"Commit", `{"transaction": {"gruop": "a"}}`, `did you mean \"group\"?`},
		{"Commit", `{"transaction": {"group": "a", "operations": [{"add": {"name": "k", "dleta": 1}}]}}`, `did you mean \"delta\"?`},
		{"Commit", `{"transaction": {"completely": "a"}}`, `unknown field \"completely\"`},
		{"Commit", put(`"value_base64": "***"`), "bytes are base64; text stands in the field of the same name without _base64"},
		{"Commit", put(`"value": 3`), "text stands in quotes"},
		{"Commit", put(`"value": "v", "ttl": "1h"`), `seconds with an s, as in \"3600s\"`},
		{"Commit", `{"transaction": {"group": "a", "operations": [{"add": {"name": "k", "delta": 1.5}}]}}`, "a whole number, in quotes or without"},
		{"Commit", `{"transaction": {"group": "a"`, "the JSON ends too early"},
		{"Commit", `{"transaction": "a"}`, "an object in braces was expected here"},
		{"Read", `{"group": "a", "at": "latest"}`, "an object in braces was expected here"},
		{"Read", `{"group": "a", "at": {"latest": "yes"}}`, "true or false, without quotes"},
		{"Read", `{"group": "a", "at": {"as_of": -1}}`, "a whole number of at least 0"},
		{"Read", `{"group": "a", "at": {"as_of_time": "yesterday"}}`, "a time is written as in"},
		{"Read", `{"group": "a", "at": {"latest": true}, "queries": [{"scan": {"max": "many"}}]}`, "a whole number"},
	} {
		if status, text := ask(t, base, c.call, c.body); status != http.StatusBadRequest || !strings.Contains(text, c.words) {
			t.Errorf("%s: %d %s; want %q", c.body, status, text, c.words)
		}
	}
}

// TestLongMistakesCostLittle: what is complained about is neither compared letter by
// letter with all that is known, nor repeated.
func TestLongMistakesCostLittle(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	body := `{"transaction": {"` + strings.Repeat("a", 3<<20) + `": "a"}}`
	began := testing.AllocsPerRun(1, func() {
		if status, text := ask(t, base, "Commit", body); status != http.StatusBadRequest || len(text) > 2000 || !strings.Contains(text, "unknown field") {
			t.Errorf("%d, %d bytes: %.400s", status, len(text), text)
		}
	})
	if began > 100_000 { // a row for each letter and each known word would be two hundred million
		t.Errorf("%.0f allocations", began)
	}
}

// TestStrangersAreGuided: a request that no library would send gets words, with
// the status that libraries know.
func TestStrangersAreGuided(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	for _, c := range []struct {
		method, path, kind string
		status             int
		words              string
	}{
		{"POST", service + "commit", "application/json", 404, "did you mean Commit?"},
		{"POST", service + "Nonsense", "application/json", 404, "Commit, Submit, Read, View, Changes, Follow, Acknowledge, Status"},
		{"GET", "/", "", 404, "GET /feed"},
		{"GET", "/feeds", "", 404, "/readyz"},
		{"GET", "/" + strings.Repeat("x", 2000), "", 404, "…"},
		{"GET", service + "Commit", "", 405, "send POST with Content-Type: application/json"},
		{"POST", service + "Commit", "", 415, "send Content-Type: application/json"},
		{"POST", service + "Commit", "application/x-www-form-urlencoded", 415, "application/x-www-form-urlencoded"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		if status, text := answered(t, r); status != c.status || !strings.Contains(text, c.words) || len(text) > 500 {
			t.Errorf("%s %.60s as %q: %d %s; want %d and %q", c.method, c.path, c.kind, status, text, c.status, c.words)
		}
	}
}
