package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem/advise/prometheus"
	"github.com/mainstemdb/mainstem/advise/workload"
)

type adviseObserveCmd struct {
	File       string            `arg:"" name:"FILE.yaml" help:"The description that the figures are written into."`
	Prometheus string            `required:"" help:"Address of the server, without /api/v1: https://prometheus.example:9090." placeholder:"URL"`
	Query      map[string]string `help:"Ask this for that field, in place of the default or beside it: 'externals[0].p99=…'. A share is a part of one, a time in seconds, as is usual there." placeholder:"FIELD=PROMQL" mapsep:"none"`
	Back       string            `help:"How far the default queries look back; 1h unless given." default:"1h" placeholder:"5m"`
	At         time.Time         `help:"As of this moment, in RFC 3339; now unless given." placeholder:"TIME" format:"2006-01-02T15:04:05Z07:00"`
	Timeout    time.Duration     `help:"How long to wait for each query; 10s unless given." default:"10s" placeholder:"10s"`
	Show       bool              `help:"Write nothing: print the queries, the figures, and what would be written."`
}

// Help is shown below the flags.
func (*adviseObserveCmd) Help() string {
	return `Puts one query for each figure and writes what came back into the description, rounded to three digits; comments and layout stay. There are default queries for what Mainstem and package pg measure of themselves: observed.p99, observed.p999, observed.replication_lag, observed.cache_hit_rate. Anything else is asked with --query, for any field that is a figure.

What a query does not say stays as the description has it, and the reason is printed: no such series, several of them, no number, an error, no answer in time. Nothing is guessed. A server that answers no query is an error, and nothing is written.

Examples:

    mainstem advise observe shop.yaml --prometheus http://localhost:9090
    mainstem advise observe shop.yaml --prometheus http://localhost:9090 --back 7d --show
    mainstem advise observe shop.yaml --prometheus http://localhost:9090 --query 'observed.utilisation=max(avg_over_time(db_busy_ratio[1h]))'`
}

// lookBack is a duration as Prometheus writes one.
var lookBack = regexp.MustCompile(`^[1-9][0-9]{0,5}(ms|[smhdwy])$`)

// observation is a reading with what the description says after it.
type observation struct {
	prometheus.Reading
	Was string `json:"was"`
}

func (c *adviseObserveCmd) Run(e *env) error {
	if c.File == "-" && !c.Show {
		return misused("name the file, or add --show", "standard input cannot be written into")
	}
	text, w, err := e.described(c.File)
	if err != nil {
		return err
	}
	server, queries, err := c.asked(w)
	if err != nil {
		return err
	}
	readings, err := server.Read(e.ctx, queries, cmp.Or(c.At, time.Now()))
	switch {
	case e.ctx.Err() != nil:
		return e.ctx.Err()
	case errors.Is(err, prometheus.ErrNoAnswer):
		return &problem{Code: "unavailable", Message: err.Error(), Advice: "check the address; nothing was written", exit: exitRepeat}
	case err != nil:
		return err
	}
	for i, r := range readings {
		was := w.Get(r.Field).String()
		if text, err = amended(text, &readings[i]); err != nil {
			return err
		}
		if err := e.observed(observation{readings[i], was}); err != nil {
			return err
		}
	}
	if c.Show {
		return nil
	}
	return replaceFile(c.File, text)
}

// asked are the server and the queries: ours, and the user's before them.
func (c *adviseObserveCmd) asked(w *workload.Workload) (*prometheus.Server, []prometheus.Query, error) {
	at, err := url.Parse(c.Prometheus)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, nil, misused("write it like http://localhost:9090", "--prometheus is no address of a server")
	}
	if !lookBack.MatchString(c.Back) {
		return nil, nil, misused("write it like 5m, 1h or 7d", "--back is %s, which is no duration of Prometheus", shortened(c.Back))
	}
	if c.Timeout <= 0 {
		return nil, nil, misused("write it like 10s", "--timeout is %s", c.Timeout)
	}
	var queries []prometheus.Query
	for _, q := range prometheus.Defaults(c.Back) {
		if _, other := c.Query[q.Field]; !other {
			queries = append(queries, q)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(c.Query)) {
		if err := w.Exists(field); err != nil {
			return nil, nil, misused("mainstem advise init shows every field", "--query: %v", err)
		}
		queries = append(queries, prometheus.Query{Field: field, Expr: c.Query[field]})
	}
	return &prometheus.Server{URL: at, Timeout: c.Timeout}, queries, nil
}

// amended writes a reading into a description. One that contradicts the rest
// becomes unknown, and the description stays as it is.
func amended(text []byte, r *prometheus.Reading) ([]byte, error) {
	if r.Value == workload.Unknown {
		return text, nil
	}
	next, err := workload.Amend(text, r.Field, r.Value)
	var contradiction workload.Problems
	switch {
	case errors.As(err, &contradiction):
		r.Unknown = fmt.Sprintf("%s was read, and contradicts the rest: %v", r.Value, err)
		r.Value = workload.Unknown
		return text, nil
	case err != nil:
		return nil, misused("put it into a file in block layout, one field a line", "%v", err)
	}
	return next, nil
}

// observed prints what became of one query.
func (e *env) observed(o observation) error {
	if e.json {
		return e.object(o)
	}
	switch {
	case o.Unknown != "":
		fmt.Fprintf(e.out, "%-26s unknown: %s; the description keeps %s\n", o.Field, o.Unknown, o.Was)
	case o.Was == o.Value:
		fmt.Fprintf(e.out, "%-26s %s, as before\n", o.Field, o.Value)
	default:
		fmt.Fprintf(e.out, "%-26s %s, was %s\n", o.Field, o.Value, o.Was)
	}
	fmt.Fprintf(e.out, "    %s\n", o.Expr)
	return nil
}
