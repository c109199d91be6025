package session

import (
	"context"
	"net/http"

	"github.com/mainstemdb/mainstem"
)

// Handler puts a session before a service's handlers. A request without a token
// begins one that has seen nothing. One with a token that is not this service's is
// answered with 400, and the cookie is taken back: to go on as if nothing had been
// seen would be a weaker promise, given silently (L8).
//
// The response carries what the session has seen when the handler begins to write
// it: what is read or committed later is not in it.
func (k *Keeper) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := k.seen(r)
		if err != nil {
			if k.Cookie != "" {
				http.SetCookie(w, k.cookie("", -1))
			}
			http.Error(w, err.Error()+": send the request again without it", http.StatusBadRequest)
			return
		}
		s := k.db.Session(token)
		stamped := &writer{ResponseWriter: w, keeper: k, session: s, came: token}
		next.ServeHTTP(stamped, r.WithContext(context.WithValue(r.Context(), inContext{}, s)))
		stamped.stamp()
	})
}

// seen is what a request has seen, by its header and its cookie together.
func (k *Keeper) seen(r *http.Request) (token mainstem.Token, err error) {
	if signed := r.Header.Get(Header); signed != "" {
		if token, err = k.Parse(signed); err != nil {
			return token, err
		}
	}
	if k.Cookie == "" {
		return token, nil
	}
	for _, c := range r.CookiesNamed(k.Cookie) {
		other, err := k.Parse(c.Value)
		if err != nil {
			return token, err
		}
		token = token.Merge(other)
	}
	return token, nil
}

func (k *Keeper) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: k.Cookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: !k.Plain, SameSite: http.SameSiteLaxMode,
	}
}

// writer puts the token into the response before its header goes out.
type writer struct {
	http.ResponseWriter
	keeper  *Keeper
	session *mainstem.Session
	came    mainstem.Token
	stamped bool
}

func (w *writer) stamp() {
	if w.stamped {
		return
	}
	w.stamped = true
	token := w.session.Token()
	if token.IsZero() {
		return
	}
	signed := w.keeper.Sign(token)
	w.Header().Set(Header, signed)
	if w.keeper.Cookie == "" || token == w.came {
		return
	}
	if c := w.keeper.cookie(signed, int(w.keeper.CookieAge.Seconds())); len(c.String()) <= LimitCookie {
		http.SetCookie(w, c)
	}
}

// WriteHeader stamps the response first.
func (w *writer) WriteHeader(status int) {
	if status >= 200 { // an early hint is not the response
		w.stamp()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write stamps the response first.
func (w *writer) Write(p []byte) (int, error) {
	w.stamp()
	return w.ResponseWriter.Write(p)
}

// Flush stamps the response first. Streams of Connect and gRPC need it.
func (w *writer) Flush() { _ = w.FlushError() } // as http.Flusher has it, who is gone cannot be told

// FlushError is Flush for http.ResponseController.
func (w *writer) FlushError() error {
	w.stamp()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
