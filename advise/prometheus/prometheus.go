// Package prometheus reads the observed figures of a workload from a Prometheus
// server, or whatever speaks its HTTP API.
//
// It never guesses: a server that does not answer, a query that finds nothing, or
// more than one series, or no number, leaves the field unknown, and says why.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// LimitAnswer is the most bytes that are read of one answer.
const LimitAnswer = 1 << 20

// Reading is what came of one query.
type Reading struct {
	Query
	Value   string `json:"value"`             // as the description writes it, or unknown
	Unknown string `json:"unknown,omitempty"` // why it is unknown
}

// ErrNoAnswer is the error where a server has answered no query at all.
var ErrNoAnswer = errors.New("the server answered no query")

// Server is a Prometheus server. The zero Server does not work: set URL.
type Server struct {
	URL     *url.URL      // of the server, without /api/v1; a name and password in it are sent
	Client  *http.Client  // http.DefaultClient if nil
	Timeout time.Duration // of each query; 10 s if it is 0
}

// Read puts each query, as of a moment. The error is ErrNoAnswer, wrapped, where
// the server answered none of them; a Reading says what became of each.
func (s *Server) Read(ctx context.Context, queries []Query, at time.Time) ([]Reading, error) {
	readings := make([]Reading, 0, len(queries))
	answered := false
	var failed error
	for _, q := range queries {
		r := Reading{Query: q, Value: workload.Unknown}
		f, ok := workload.Lookup(q.Field)
		if !ok {
			return nil, fmt.Errorf("prometheus: %s is no field of a description", q.Field)
		}
		text, err := s.value(ctx, q.Expr, at)
		if failed = err; err == nil {
			answered = true
			r.Value, r.Unknown = figure(f, text)
		} else {
			r.Unknown = err.Error()
		}
		var refusal *refused
		answered = answered || errors.As(err, &refusal)
		readings = append(readings, r)
	}
	if !answered && failed != nil {
		return readings, fmt.Errorf("prometheus: %s: %w: %w", s.URL.Redacted(), ErrNoAnswer, failed)
	}
	return readings, nil
}

// figure is the value of a field, or unknown and why.
func figure(f workload.Field, samples []string) (value, unknown string) {
	switch {
	case len(samples) == 0:
		return workload.Unknown, "no such series, or nothing in them"
	case len(samples) > 1:
		return workload.Unknown, fmt.Sprintf("%d series, and the field is one figure; take the sum, the max or a quantile of them", len(samples))
	}
	number, err := strconv.ParseFloat(samples[0], 64)
	switch {
	case err != nil:
		return workload.Unknown, fmt.Sprintf("%q is no number", samples[0])
	case math.IsNaN(number):
		return workload.Unknown, "nothing happened in that time (NaN)"
	case math.IsInf(number, 0):
		return workload.Unknown, "no finite number (Inf)"
	}
	text, err := valueOf(f, number)
	if err != nil {
		return workload.Unknown, err.Error()
	}
	return text, ""
}

// rounded has three digits: more would pretend to a precision that a histogram
// has not.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// refused is what a server says about a query that it understood to be one.
type refused struct{ kind, what string }

func (r *refused) Error() string { return r.kind + ": " + r.what }

// answer is the form of /api/v1/query.
type answer struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
	Data      struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

// value puts one query; the samples are as the server writes them.
func (s *Server) value(ctx context.Context, expr string, at time.Time) ([]string, error) {
	limit := s.Timeout
	if limit == 0 {
		limit = 10 * time.Second
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	form := url.Values{"query": {expr}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)}, "timeout": {limit.String()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL.JoinPath("api/v1/query").String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, reason(err, limit)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read, or is of no use
	body, err := io.ReadAll(io.LimitReader(resp.Body, LimitAnswer+1))
	switch {
	case err != nil:
		return nil, reason(err, limit)
	case len(body) > LimitAnswer:
		return nil, fmt.Errorf("the answer is larger than %d bytes; take the sum, the max or a quantile", LimitAnswer)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Status == "" {
		return nil, fmt.Errorf("%s, and no answer of the Prometheus API; is this its address?", resp.Status)
	}
	if a.Status != "success" {
		return nil, &refused{a.ErrorType, a.Error}
	}
	return a.samples()
}

// reason is a failure without the address, which a password may be part of.
func reason(err error, limit time.Duration) error {
	var wrapped *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", limit)
	case errors.As(err, &wrapped):
		return wrapped.Err
	}
	return err
}

// samples are the values of a vector, or the one of a scalar.
func (a *answer) samples() ([]string, error) {
	pair := func(raw json.RawMessage) (text string, err error) {
		var p [2]json.RawMessage // a time, and a number in quotes
		if err := json.Unmarshal(raw, &p); err != nil {
			return "", err
		}
		err = json.Unmarshal(p[1], &text)
		return text, err
	}
	switch a.Data.Type {
	case "scalar":
		text, err := pair(a.Data.Result)
		return []string{text}, err
	case "vector":
		var series []struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(a.Data.Result, &series); err != nil {
			return nil, err
		}
		var all []string
		for _, one := range series {
			text, err := pair(one.Value)
			if err != nil {
				return nil, errors.New("a series without a plain value; of a native histogram, take a quantile")
			}
			all = append(all, text)
		}
		return all, nil
	}
	return nil, &refused{"type", "the result is a " + a.Data.Type + ", and not a figure of one moment"}
}
