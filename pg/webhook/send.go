package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// The headers of Standard Webhooks.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// send sends one event, unless it was taken already.
func (s *Sink) send(ctx context.Context, e pg.Event) error {
	s.mu.Lock()
	taken := s.taken[e.Position]
	s.mu.Unlock()
	if taken {
		return nil
	}
	body, err := encode(s.config.Source, s.contentType(e.Type), e)
	if err != nil {
		return err
	}
	if err := s.post(ctx, s.config.Source.ID(e.Position), body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[e.Position] = true
	return nil
}

func (s *Sink) contentType(eventType string) string {
	if s.config.ContentType == nil {
		return jsonType
	}
	return s.config.ContentType(eventType)
}

// post makes one request and judges the answer.
func (s *Sink) post(ctx context.Context, id string, body []byte) error {
	within, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, errTooLate)
	defer cancel()
	request, err := http.NewRequestWithContext(within, http.MethodPost, s.config.URL, bytes.NewReader(body))
	if err != nil {
		return mainstem.Errorf(mainstem.Unavailable, "event %s: %w", id, err)
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", bodyType)
	request.Header.Set("User-Agent", "mainstem")
	request.Header.Set(HeaderID, id)
	request.Header.Set(HeaderTimestamp, now)
	request.Header.Set(HeaderSignature, signatures(s.keys, id, now, body))
	response, err := s.client.Do(request)
	switch {
	case ctx.Err() != nil && err != nil:
		return context.Cause(ctx)
	case err != nil && errors.Is(context.Cause(within), errTooLate):
		return mainstem.Errorf(mainstem.Unavailable, "event %s: no answer within %s; it may have been taken", id, s.config.Timeout)
	case err != nil:
		return mainstem.Errorf(mainstem.Unavailable, "event %s: %w", id, err)
	}
	defer func() { _ = response.Body.Close() }()
	return s.judge(id, response, read(response.Body))
}

var errTooLate = errors.New("the time for an answer has passed")

// read takes an answer's body from the connection, up to a bound, and gives its
// beginning. What it cannot read changes nothing: the status has said it all.
func read(body io.Reader) (beginning string) {
	const most = 256
	all, _ := io.ReadAll(io.LimitReader(body, limitAnswer))
	return strings.ToValidUTF8(string(all[:min(len(all), most)]), "\uFFFD")
}

// judge makes an error of an answer, unless the event was taken.
func (s *Sink) judge(id string, response *http.Response, said string) error {
	code := codeOf(response.StatusCode)
	if code == 0 {
		return nil
	}
	if after := retryAfter(response.Header.Get("Retry-After"), time.Now()); after > 0 && code.Retryable() {
		s.later(after)
	}
	err := mainstem.Errorf(code, "event %s: the receiver answered %s: %q", id, response.Status, said)
	switch status := response.StatusCode; {
	case status < 400:
		err.Advice = "redirects are not followed: set the URL to where the receiver is"
	case code == mainstem.Unavailable && status < 500 && standing(status):
		err.Advice = "no event is taken until the URL, the secret or the receiver is mended"
	}
	return err
}

// codeOf is what a status says of an event; 0 means that it is taken.
func codeOf(status int) mainstem.Code {
	switch {
	case status >= 200 && status < 300:
		return 0
	case status == http.StatusTooManyRequests:
		return mainstem.Overloaded
	case status < 400 || status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly || standing(status):
		return mainstem.Unavailable
	case status == http.StatusRequestEntityTooLarge:
		return mainstem.TooLarge
	}
	return mainstem.Invalid
}

// standing is true of a status that speaks of the receiver or of the sender, and
// so of no event more than of another.
func standing(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired:
		return true
	}
	return false
}

// retryAfter reads the header, seconds or a date, within LimitRetryAfter. What
// cannot be read asks for nothing: the relay has pauses of its own.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	after := time.Duration(0)
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(header); err == nil {
		after = date.Sub(now)
	}
	return min(max(after, 0), LimitRetryAfter)
}
