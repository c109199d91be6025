package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// prometheus answers queries.
type prometheus struct{ address string }

// series is one line of a chart. Points where there is nothing are missing.
type series struct {
	Labels map[string]string
	Points []point
}

type point struct {
	at time.Time
	v  float64
}

// UnmarshalJSON reads [seconds, "value"].
func (p *point) UnmarshalJSON(b []byte) error {
	var seconds float64
	var value string
	if err := json.Unmarshal(b, &[2]any{&seconds, &value}); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	p.at, p.v = time.UnixMilli(int64(seconds*1000)), v
	return err
}

// ask evaluates a query at every step of a stretch of time.
func (p prometheus) ask(ctx context.Context, query string, from, to time.Time, step time.Duration) ([]series, error) {
	form := url.Values{
		"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address+"/api/v1/query_range", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Values []point
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", query, response.Status, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", query, answer.Error)
	}
	var all []series
	for _, one := range answer.Data.Result {
		all = append(all, series{one.Metric, one.Values})
	}
	return all, nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
