package pg

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// HTTP puts the Idempotency-Key header before a service's handlers: a request that
// comes again under its key gets the same status, headers and body, and the
// handler does not run.
//
// A response is kept unless it is a 5xx, 408, 425 or 429, which ask to come again.
// The same key with another method, path, query, content type or body is 422;
// while the first is running it is 409 with Retry-After. Responses are held back
// until they are kept, so a handler cannot stream: at most mainstem.LimitValue bytes
// of body, and LimitHeader of headers. A larger one is answered with 500.
//
// Source: the IETF draft "The Idempotency-Key HTTP Header Field".
type HTTP struct {
	DB *DB
	// Who tells senders apart, for example the account that the request was
	// authenticated as: two senders may use one key. It must be set.
	Who func(r *http.Request) string
	// Age and Wait are those of Request.
	Age, Wait time.Duration
	// Required makes a request without the header a 400. Otherwise its handler
	// runs, each time it comes.
	Required bool
	// MaxBody is the most bytes of a request's body, which is read before the
	// handler runs; beyond it is 413. 0 means mainstem.LimitValue.
	MaxBody int64
	// ClaimFor is how long a handler of ClaimFirst may take; its context ends
	// then. 0 means DefaultClaim.
	ClaimFor time.Duration
	// Logger gets the errors that a client is not told; nil means slog.Default.
	Logger *slog.Logger
}

// DefaultClaim is how long a handler of ClaimFirst may take unless chosen.
const DefaultClaim = time.Minute

// LimitHeader is the most bytes of a response's headers, names and values together.
const LimitHeader = 64 << 10

// KeyHeader is the header that carries the key, with or without quotes.
const KeyHeader = "Idempotency-Key"

// TxOf is the transaction of a handler under InTransaction; nil elsewhere.
func TxOf(ctx context.Context) pgx.Tx {
	tx, _ := ctx.Value(txKey{}).(pgx.Tx)
	return tx
}

type txKey struct{}

// InTransaction runs a handler in a transaction, which TxOf gives it, and keeps
// its response in the same one. A 4xx keeps the response and nothing that the
// handler wrote; a 5xx keeps nothing. The handler runs again where the
// transaction has to, so it does through the transaction all that must happen
// once. For anything else, such as a call to a provider, see ClaimFirst.
func (h *HTTP) InTransaction(next http.Handler) http.Handler {
	return h.handle(func(w http.ResponseWriter, r *http.Request, req *Request, body []byte) error {
		run := func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			answer, err := record(next, r.WithContext(context.WithValue(ctx, txKey{}, tx)), body)
			switch {
			case err != nil:
				return nil, err
			case answer.passing():
				return nil, &passing{answer}
			case answer.Status >= 400:
				return nil, Refuse(answer.encode())
			}
			return answer.encode(), nil
		}
		if req == nil {
			return h.unprotected(w, r, run)
		}
		req.Refusals, req.bounded = true, true
		reply, err := h.DB.Run(r.Context(), *req, run)
		return send(w, reply.Body, err)
	})
}

// unprotected runs a handler of a request without a key: in a transaction, once
// for each time it comes.
func (h *HTTP) unprotected(w http.ResponseWriter, r *http.Request, run func(context.Context, pgx.Tx) ([]byte, error)) error {
	var body []byte
	err := h.DB.tx(r.Context(), "request without a key", func(tx pgx.Tx) (err error) {
		body, err = run(r.Context(), tx)
		return err
	})
	var no refusal
	if errors.As(err, &no) {
		body, err = no.body, nil
	}
	return send(w, body, err)
}

// ClaimFirst is for handlers whose effects are not in this database. The key is
// claimed and committed, then the handler runs, then its response is kept. If the
// process dies in between, or the response is a 5xx, nobody knows what happened,
// and the handler is never run again under that key by itself: the answer is 409
// with the code undecided until DB.Resolve says what became of it, under the key
// Key("http", who, key). A handler
// that knows that nothing happened says so with NothingDone.
func (h *HTTP) ClaimFirst(next http.Handler) http.Handler {
	return h.handle(func(w http.ResponseWriter, r *http.Request, req *Request, body []byte) error {
		if req == nil {
			answer, err := record(next, r, body)
			if err != nil {
				return err
			}
			return send(w, answer.encode(), nil)
		}
		ctx, a := ask(r.Context(), h.DB.Metrics, "pg.claim", req.Key)
		defer a.end()
		reply, err := a.with(h.claimed(a, next, r.WithContext(ctx), req, body))
		return send(w, reply.Body, err)
	})
}

// claimed runs a handler after its claim, and keeps its response.
func (h *HTTP) claimed(a *asked, next http.Handler, r *http.Request, req *Request, body []byte) (Reply, error) {
	c := claim{db: h.DB, Request: *req, nonce: []byte(rand.Text())}
	reply, err := c.take(r.Context(), h.claimFor())
	if err != nil || reply.Replayed {
		return reply, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), claimKey{}, &c), h.claimFor())
	defer cancel()
	answer, err := record(next, r.WithContext(ctx), body)
	if err != nil {
		return Reply{}, err
	}
	a.own, a.open = c.nothing, answer.passing()
	return Reply{Body: answer.encode()}, c.settle(context.WithoutCancel(r.Context()), answer)
}

func (h *HTTP) claimFor() time.Duration {
	if h.ClaimFor == 0 {
		return DefaultClaim
	}
	return h.ClaimFor
}

// handle reads key and body, and turns errors into responses.
func (h *HTTP) handle(serve func(w http.ResponseWriter, r *http.Request, req *Request, body []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, body, err := h.request(w, r)
		if err == nil {
			err = serve(w, r, req, body)
		}
		if err != nil {
			h.problem(w, r, err)
		}
	})
}

// request is what the middleware knows of a request before the handler runs; nil
// if it carries no key.
func (h *HTTP) request(w http.ResponseWriter, r *http.Request) (*Request, []byte, error) {
	if h.DB == nil || h.Who == nil {
		return nil, nil, mainstem.Errorf(mainstem.Denied, "this pg.HTTP has no DB, or no Who")
	}
	most := h.MaxBody
	if most == 0 {
		most = mainstem.LimitValue
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return nil, nil, mainstem.Errorf(mainstem.TooLarge, "the body is larger than %d bytes", most)
		}
		return nil, nil, mainstem.Errorf(mainstem.Invalid, "the body cannot be read: %w", err)
	}
	key, err := headerKey(r.Header.Values(KeyHeader))
	switch {
	case err != nil:
		return nil, nil, err
	case key == "" && h.Required:
		return nil, nil, mainstem.Errorf(mainstem.Invalid, "the header %s is missing", KeyHeader)
	case key == "":
		return nil, body, nil
	}
	hash := sha256.New()
	for _, part := range [][]byte{[]byte(r.Method), []byte(r.URL.RequestURI()), []byte(r.Header.Get("Content-Type")), body} {
		fmt.Fprintf(hash, "%d:", len(part))
		hash.Write(part)
	}
	return &Request{Key: Key("http", h.Who(r), key), Hash: hash.Sum(nil), Age: h.Age, Wait: h.Wait}, body, nil
}

// headerKey reads the header: one string of RFC 8941, or the same without quotes.
func headerKey(values []string) (string, error) {
	const most = 255
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", mainstem.Errorf(mainstem.Invalid, "the header %s is there %d times", KeyHeader, len(values))
	}
	text := values[0]
	quoted := len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"'
	if quoted {
		text = text[1 : len(text)-1]
	}
	key := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if quoted && c == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\') {
			i++
			key = append(key, text[i])
			continue
		}
		if c < ' ' || c > '~' || c == '"' || c == '\\' || !quoted && (c == ' ' || c == ',' || c == ';') {
			return "", mainstem.Errorf(mainstem.Invalid, "the header %s is no string: byte %d is %q", KeyHeader, i+1, c)
		}
		key = append(key, c)
	}
	if len(key) == 0 || len(key) > most {
		return "", mainstem.Errorf(mainstem.Invalid, "the header %s has %d bytes; between 1 and %d are possible", KeyHeader, len(key), most)
	}
	return string(key), nil
}

// answer is a response, as it is kept.
type answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// passing says that the response asks to come again, so it is not kept.
func (a *answer) passing() bool {
	switch a.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return a.Status >= 500
}

func (a *answer) encode() []byte {
	text, err := json.Marshal(a)
	if err != nil {
		return []byte(`{"status":500}`) // of numbers and text: it cannot fail
	}
	return text
}

// passing is a response that ends its transaction and is sent all the same.
type passing struct{ *answer }

func (p *passing) Error() string { return fmt.Sprintf("the handler answered %d", p.Status) }

// HTTPReply is a response as it is kept, to give to DB.Resolve.
func HTTPReply(status int, header http.Header, body []byte) []byte {
	a := answer{Status: status, Header: header, Body: body}
	return a.encode()
}

// ReadHTTPReply is a response that pg.HTTP kept or HTTPReply made, as DB.Reply
// gives it. Any other reply is Corrupt.
func ReadHTTPReply(kept []byte) (status int, header http.Header, body []byte, err error) {
	a, err := decode(kept)
	return a.Status, a.Header, a.Body, err
}

func decode(kept []byte) (a answer, err error) {
	if err := json.Unmarshal(kept, &a); err != nil || a.Status < 200 || a.Status > 999 {
		return answer{}, mainstem.Errorf(mainstem.Corrupt, "the response that was kept cannot be read (%v)", err)
	}
	return a, nil
}

// recorder holds a response back.
type recorder struct {
	answer
	sent bool
	over bool
}

func (w *recorder) Header() http.Header { return w.answer.Header }

func (w *recorder) WriteHeader(status int) {
	if !w.sent && status >= 200 {
		w.Status, w.sent = status, true
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if len(w.Body)+len(p) > mainstem.LimitValue {
		w.over = true
		return 0, http.ErrContentLength
	}
	w.Body = append(w.Body, p...)
	return len(p), nil
}

// record runs a handler and holds its response back.
func record(next http.Handler, r *http.Request, body []byte) (*answer, error) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	w := &recorder{answer: answer{Header: http.Header{}}}
	next.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	for _, own := range []string{"Connection", "Date", "Transfer-Encoding", "Trailer"} {
		w.answer.Header.Del(own) // of this one exchange
	}
	if w.answer.Header.Get("Content-Type") == "" && len(w.Body) > 0 {
		w.answer.Header.Set("Content-Type", http.DetectContentType(w.Body))
	}
	return &w.answer, w.check()
}

// check refuses a response that cannot be kept, which is the service's own fault.
func (w *recorder) check() error {
	size := 0
	for name, values := range w.answer.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if !w.over && size <= LimitHeader {
		return nil
	}
	e := mainstem.Errorf(mainstem.Denied, "the handler's response is larger than %d bytes, or its headers than %d", mainstem.LimitValue, LimitHeader)
	e.Advice = "have the handler answer less, such as where to get the rest"
	return e
}
