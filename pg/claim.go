package pg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// claim is a request that is committed as claimed before its handler runs.
type claim struct {
	Request
	db *DB
	// nonce tells this claim from another under the same key.
	nonce   []byte
	nothing bool
}

type claimKey struct{}

// NothingDone says, in a handler of ClaimFirst, that what it did has had no
// effect, so that the request may run again: its claim is given up when the
// handler ends, and its response is not kept.
func NothingDone(ctx context.Context) {
	if c, ok := ctx.Value(claimKey{}).(*claim); ok {
		c.nothing = true
	}
}

// take claims the key, or tells what is known of it. Somebody else's claim is in
// progress for as long as a handler may take, and after that undecided.
func (c *claim) take(ctx context.Context, running time.Duration) (Reply, error) {
	for {
		var o *once
		err := c.db.tx(ctx, fmt.Sprintf("request %.64q", c.Key), func(tx pgx.Tx) (err error) {
			if o, err = start(ctx, In(c.db.schema(), tx), c.Request); err != nil || o.reply.Replayed {
				return err
			}
			return o.settle(ctx, stateClaimed, c.nonce)
		})
		switch claimed := errors.Is(err, errClaimed); {
		case claimed && bytes.Equal(o.reply.Body, c.nonce):
			return Reply{}, nil // this claim, of which the answer to COMMIT was lost
		case claimed && o.elapsed < running:
			return Reply{}, mainstem.Errorf(mainstem.InProgress, "request %.64q has been running for %s", c.Key, o.elapsed.Round(time.Millisecond))
		case err != nil && !claimed && mainstem.CodeOf(err) == mainstem.Undecided && sleep(ctx, 10*time.Millisecond):
			continue // the nonce tells
		case err != nil:
			return Reply{}, err
		}
		return o.reply, nil
	}
}

// settle keeps the response, gives the claim up, or leaves it: after a response
// that says of nothing whether it happened.
func (c *claim) settle(ctx context.Context, a *answer) error {
	statement, args := "", []any{c.Key, c.nonce, stateClaimed}
	switch {
	case c.nothing:
		statement = "DELETE FROM $S.request WHERE key = $1::text AND reply = $2::bytea AND state = $3::int"
	case a.passing():
		return nil
	default:
		statement = `UPDATE $S.request SET state = $4::int, reply = $5::bytea, until = clock_timestamp() + make_interval(secs => $6::float8)
			WHERE key = $1::text AND reply = $2::bytea AND state = $3::int`
		age := c.Age
		if age == 0 {
			age = DefaultAge
		}
		args = append(args, stateDone, a.encode(), age.Seconds())
	}
	for pause := time.Millisecond; ; pause *= 2 {
		tag, err := c.db.Pool.Exec(ctx, c.db.sql(statement), args...)
		switch {
		case err == nil && tag.RowsAffected() == 1, err == nil && pause > time.Millisecond:
			return nil // now, or by an attempt whose answer was lost
		case err == nil:
			return mainstem.Errorf(mainstem.Undecided, "request %.64q was resolved by somebody else while it ran", c.Key)
		case pause > time.Second || !sleep(ctx, pause):
			return mainstem.Errorf(mainstem.Undecided, "request %.64q has run, and its response cannot be kept: %w", c.Key, err)
		}
	}
}

// send sends a response that was kept, or one that ended its transaction.
func send(w http.ResponseWriter, kept []byte, err error) error {
	var p *passing
	var a answer
	switch {
	case errors.As(err, &p):
		a = *p.answer
	case err != nil:
		return err
	default:
		if a, err = decode(kept); err != nil {
			return err
		}
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client has gone: it can ask again
	return nil
}

// problem answers with an error, as RFC 9457 has it. It invites to repeat only who has a
// key: another request may run twice.
func (h *HTTP) problem(w http.ResponseWriter, r *http.Request, err error) {
	code := mainstem.CodeOf(err)
	status, again := http.StatusInternalServerError, false
	switch code {
	case mainstem.Invalid:
		status = http.StatusBadRequest
	case mainstem.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case mainstem.IDReused, mainstem.TooOld:
		status = http.StatusUnprocessableEntity
	case mainstem.InProgress:
		status, again = http.StatusConflict, true
	case mainstem.Undecided:
		if status, again = http.StatusServiceUnavailable, true; errors.Is(err, errClaimed) {
			status, again = http.StatusConflict, false
		}
	case mainstem.Unavailable, mainstem.RetryTransaction, mainstem.Overloaded, mainstem.Cancelled:
		status, again = http.StatusServiceUnavailable, true
	}
	keyless := len(r.Header.Values(KeyHeader)) == 0
	if keyless && code == mainstem.Undecided {
		status = http.StatusInternalServerError // many a client repeats a 503 by itself
	}
	detail := err.Error()
	if status >= 500 {
		logger := h.Logger
		if logger == nil {
			logger = slog.Default()
		}
		level := slog.LevelError
		if r.Context().Err() != nil {
			level = slog.LevelInfo // whoever asked has gone
		}
		logger.Log(r.Context(), level, "a request under an idempotency key cannot be answered",
			"method", r.Method, "path", r.URL.Path, "trace", traceOf(r.Context()), "err", err)
		detail = "this request cannot be answered now; repeat it with the same key"
		if keyless {
			detail = "this request cannot be answered; it had no key, so to send it again may do again what it does"
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if again && !keyless {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Title  string        `json:"title"`
		Status int           `json:"status"`
		Detail string        `json:"detail"`
		Code   mainstem.Code `json:"code"`
	}{http.StatusText(status), status, detail, code}) // the client has gone: it can ask again
}
