package prometheus

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// Query is the PromQL expression that answers a field.
type Query struct {
	Field string `json:"field"` // a path: observed.p99, externals[0].p99
	Expr  string `json:"query"`
	About string `json:"about,omitempty"` // what a query of ours measures
}

// window stands in the default queries for how far they look back.
const window = "$window"

// defaults are the queries for what Mainstem measures of itself. Where a database
// and package pg are both there, the worse of the two counts.
var defaults = []Query{
	{
		"observed.p99",
		"max(" + quantile("0.99", "mainstem_call_duration_seconds_bucket") + " or " + quantile("0.99", "mainstem_pg_request_duration_seconds_bucket") + ")",
		"calls of a database, and requests of package pg",
	},
	{
		"observed.p999",
		"max(" + quantile("0.999", "mainstem_call_duration_seconds_bucket") + " or " + quantile("0.999", "mainstem_pg_request_duration_seconds_bucket") + ")",
		"calls of a database, and requests of package pg",
	},
	{
		"observed.replication_lag",
		"max(max_over_time(mainstem_pg_replica_lag_seconds[" + window + "]))",
		"the replicas of package pg; the worst moment",
	},
	{
		"observed.cache_hit_rate",
		`sum(rate(mainstem_block_reads_total{from="memory"}[` + window + `])) / sum(rate(mainstem_block_reads_total[` + window + `]))`,
		"blocks of a database's state that were in memory",
	},
}

// quantile is of all series of a classic histogram together, under a label of
// its name, so that "or" keeps two of them apart.
func quantile(q, bucket string) string {
	return fmt.Sprintf(`label_replace(histogram_quantile(%s, sum by (le) (rate(%s[%s]))), "of", "%s", "", "")`, q, bucket, window, bucket)
}

// Defaults are the queries for what Mainstem measures of itself, looking back
// over a duration of Prometheus: 5m, 1h, 7d. Of a quantile beyond the last bucket of
// a histogram Prometheus tells that bucket's bound: it is then at least so much.
func Defaults(back string) []Query {
	all := make([]Query, len(defaults))
	for i, q := range defaults {
		q.Expr = strings.ReplaceAll(q.Expr, window, back)
		all[i] = q
	}
	return all
}

// valueOf is an answer of Prometheus as a field has it: seconds, events per
// second, bytes and numbers as they are, a share of one in percent.
func valueOf(f workload.Field, answer float64) (text string, err error) {
	switch f.Kind {
	case workload.Percent:
		answer *= 100
	case workload.Duration, workload.Rate, workload.Size, workload.Number:
	case workload.YesNo, workload.Choice, workload.Text:
		return "", fmt.Errorf("a %s is no figure; say it in the description", f.Kind)
	}
	text = f.Kind.Write(rounded(answer))
	if _, err := f.Parse(text); err != nil {
		return "", fmt.Errorf("the query gives %s: %w", text, err)
	}
	return text, nil
}
