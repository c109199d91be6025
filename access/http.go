package access

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Middleware finds the client of each request and puts it into the context; a
// request without one is answered with 401 and a JSON body, and goes no
// further. An Authorization header decides alone; without one the verified client
// certificate does. Paths in open are for everybody: health checks, for example.
func Middleware(g *Gate, next http.Handler, open ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(open, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		who, ok := g.client(r)
		if !ok {
			g.refused(r.Context(), &g.unknown, Refusal{Remote: r.RemoteAddr, Code: mainstem.Denied, Reason: Unknown})
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, errNobody)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithClient(r.Context(), who)))
	})
}

// client is who has sent a request.
func (g *Gate) client(r *http.Request) (Client, bool) {
	who := Client{gate: g, in: g.policy.Load()}
	headers := r.Header["Authorization"]
	switch {
	case len(headers) == 1:
		if token, ok := bearer(headers[0]); ok {
			who.as = who.in.token(HashOf(token))
		}
	case len(headers) == 0 && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		leaf := r.TLS.VerifiedChains[0][0]
		who.as, who.expires = who.in.certificate(leaf), leaf.NotAfter
	}
	now := time.Now()
	if who.as == nil || who.as.expired(now) || !who.expires.IsZero() && !now.Before(who.expires) {
		return Client{}, false
	}
	return who, true
}

// answer writes an error as every other answer of the server has it.
func answer(w http.ResponseWriter, status int, e *mainstem.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // whoever is gone cannot be told
		Code    mainstem.Code `json:"code"`
		Message string        `json:"message"`
		Advice  string        `json:"advice"`
	}{e.Code, e.Message, e.Help()})
}

// Local lets everybody in who has come to this very machine by its name: for a
// server on loopback without a policy. A page in a browser here can make its own name
// mean this machine; then its requests have its name, and are refused with 403.
func Local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localName(r.Host) {
			answer(w, http.StatusForbidden, errNotLocal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errNotLocal = &mainstem.Error{
	Code: mainstem.Denied, Message: "this server is for programs on its own machine, and the request names another one",
	Advice: "name it localhost or 127.0.0.1, or start it with a policy",
}

func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || loopback(net.ParseIP(trimBrackets(host)))
}
