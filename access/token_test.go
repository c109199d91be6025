package access

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := NewToken()
		if !strings.HasPrefix(token, tokenPrefix) || len(token) != 47 || seen[token] {
			t.Fatalf("%q", token)
		}
		seen[token] = true
	}
}

// TestTokens: only the token itself lets in, and every other answer is the same.
func TestTokens(t *testing.T) {
	right, expired := NewToken(), NewToken()
	g := gateOf(t,
		Entry{Name: "web", Tokens: []Token{{SHA256: HashOf(right)}}, Rules: []Rule{everything}},
		Entry{Name: "old", Tokens: []Token{{SHA256: HashOf(expired), Expires: time.Now().Add(-time.Second)}}, Rules: []Rule{everything}})
	server := Middleware(g, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if c, ok := ClientFrom(r.Context()); !ok || c.Name() != "web" {
			t.Errorf("the client is %q, %t", c.Name(), ok)
		}
	}), "/healthz")
	flipped := []byte(right)
	flipped[20] ^= 1
	answers := map[string]bool{}
	for _, c := range []struct {
		what    string
		headers []string
		status  int
	}{
		{"the token", []string{"Bearer " + right}, 200},
		{"the scheme in another case", []string{"bearer  " + right}, 200},
		{"no header", nil, 401},
		{"an empty header", []string{""}, 401},
		{"no scheme", []string{right}, 401},
		{"another scheme", []string{"Basic " + right}, 401},
		{"no token", []string{"Bearer "}, 401},
		{"a forged token", []string{"Bearer " + string(flipped)}, 401},
		{"a truncated token", []string{"Bearer " + right[:46]}, 401},
		{"a longer token", []string{"Bearer " + right + "A"}, 401},
		{"a foreign token", []string{"Bearer " + NewToken()}, 401},
		{"its hash", []string{"Bearer " + HashOf(right).String()}, 401},
		{"an expired token", []string{"Bearer " + expired}, 401},
		{"a token of much too many bytes", []string{"Bearer " + strings.Repeat("x", LimitToken+1)}, 401},
		{"two headers", []string{"Bearer " + right, "Bearer " + right}, 401},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/x", nil)
		r.Header["Authorization"] = c.headers
		server.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: status %d", c.what, w.Code)
		}
		if c.status == http.StatusUnauthorized {
			answers[w.Body.String()+w.Header().Get("WWW-Authenticate")+w.Header().Get("Content-Type")] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("refusals differ: %v", answers)
	}
	for answer := range answers {
		if !strings.HasPrefix(answer, `{"code":"denied","message":"no token or certificate`) {
			t.Errorf("the refusal is %s", answer)
		}
	}
}

// TestOpenPaths: what is for everybody is exactly what was said.
func TestOpenPaths(t *testing.T) {
	server := Middleware(gateOf(t), http.NotFoundHandler(), "/healthz")
	for path, status := range map[string]int{"/healthz": 404, "/healthz/": 401, "/healthz/x": 401, "/": 401, "//healthz": 401} {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://h"+path, nil))
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", path, w.Code, status)
		}
	}
}

func TestLocal(t *testing.T) {
	server := Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, status := range map[string]int{
		"localhost": 200, "localhost:7171": 200, "127.0.0.1:7171": 200, "127.8.9.1": 200, "[::1]:7171": 200, "[::1]": 200,
		"": 403, "evil.example:7171": 403, "localhost.evil.example": 403, "10.0.0.1": 403, "[::]:7171": 403, "0.0.0.0": 403,
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
		r.Host = host
		server.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q: status %d, want %d", host, w.Code, status)
		}
	}
}

// FuzzAuthorization: whatever a header says, only the token lets in.
func FuzzAuthorization(f *testing.F) {
	const right = "mst_fuzzed"
	g := gateOf(f, Entry{Name: "web", Tokens: []Token{{SHA256: HashOf(right)}}, Rules: []Rule{everything}})
	for _, seed := range []string{"Bearer " + right, "bearer\t" + right, "Bearer", "", "Bearer  ", "Basic x", "Bearer " + right + " "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		_, ok := g.client(request(header))
		rest, found := strings.CutSuffix(header, right)
		want := found && strings.EqualFold(strings.TrimRight(rest, " "), "Bearer") && strings.HasSuffix(rest, " ")
		if ok != want {
			t.Errorf("%q: let in %t, want %t", header, ok, want)
		}
	})
}
