package pg

import "net/http"

// SessionHeader carries a session's token, in requests and in responses.
const SessionHeader = "Mainstem-Session"

// Handler puts a session before a service's handlers: SessionOf gives it to them,
// what they commit through DB.Run or HTTP is part of it, and the response carries
// its token, which the client sends with its next request, to whichever pod. It
// goes outside of HTTP, whose kept responses carry no token of their own.
//
// The token is taken when the handler begins its response: what it commits later
// is not in it.
func (r *Readers) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		session, err := r.Session(req.Header.Get(SessionHeader))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		sw := &sessionWriter{ResponseWriter: w, session: session}
		next.ServeHTTP(sw, req.WithContext(session.Context(req.Context())))
		sw.stamp()
	})
}

type sessionWriter struct {
	http.ResponseWriter
	session *Session
	stamped bool
}

// stamp writes the token before the header goes out.
func (w *sessionWriter) stamp() {
	if token := w.session.Token(); !w.stamped && token != "" {
		w.Header().Set(SessionHeader, token)
	}
	w.stamped = true
}

func (w *sessionWriter) WriteHeader(status int) {
	w.stamp()
	w.ResponseWriter.WriteHeader(status)
}

func (w *sessionWriter) Write(p []byte) (int, error) {
	w.stamp()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *sessionWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
