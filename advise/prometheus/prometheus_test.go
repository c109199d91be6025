package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/advise/prometheus"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// began is when the series of the tests begin: two hours ago, on a full minute.
var began = time.Now().Add(-2 * time.Hour).Truncate(time.Minute)

// series are ten minutes of a database that answers 98 of 100 calls in 8 ms, and
// the rest in up to 512 ms; of requests of pg, a tenth as slow; of two replicas and
// a block cache. One other histogram has calls beyond its last bucket.
func series() string {
	var b strings.Builder
	line := func(name string, at, value float64) { fmt.Fprintf(&b, "%s %g %.0f\n", name, value, at) }
	each := func(name string, value func(minute float64) float64) {
		for minute := range 11 {
			line(name, float64(began.Unix())+60*float64(minute), value(float64(minute)))
		}
	}
	histogram := func(name string, buckets map[string]float64, order ...string) {
		fmt.Fprintf(&b, "# TYPE %s histogram\n", name)
		for _, le := range order {
			each(fmt.Sprintf(`%s_bucket{kind="commit",outcome="done",le="%s"}`, name, le), func(m float64) float64 { return buckets[le] * m })
		}
	}
	histogram("mainstem_call_duration_seconds", map[string]float64{"0.008": 9800, "0.512": 10000, "+Inf": 10000}, "0.008", "0.512", "+Inf")
	histogram("mainstem_pg_request_duration_seconds", map[string]float64{"0.064": 999, "0.128": 1000, "+Inf": 1000}, "0.064", "0.128", "+Inf")
	histogram("slow_seconds", map[string]float64{"0.1": 1, "+Inf": 1000}, "0.1", "+Inf")
	histogram("idle_seconds", map[string]float64{"0.1": 0, "+Inf": 0}, "0.1", "+Inf")
	b.WriteString("# TYPE mainstem_pg_replica_lag_seconds gauge\n")
	each(`mainstem_pg_replica_lag_seconds{replica="0",host="a"}`, func(float64) float64 { return 0.2 })
	each(`mainstem_pg_replica_lag_seconds{replica="1",host="b"}`, func(m float64) float64 { return m / 2 })
	b.WriteString("# TYPE mainstem_block_reads counter\n")
	each(`mainstem_block_reads_total{from="memory"}`, func(m float64) float64 { return 750 * m })
	each(`mainstem_block_reads_total{from="disk"}`, func(m float64) float64 { return 250 * m })
	b.WriteString("# EOF\n")
	return b.String()
}

// realServer is a Prometheus on these series.
func realServer(t *testing.T) *prometheus.Server {
	t.Helper()
	for _, name := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("not run: no %s, so no query was put to a real server; Debian has it in the package prometheus", name)
		}
	}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "series.txt"), []byte(series()), 0o600))
	must(os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte("global: {}\n"), 0o600))
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics",
		filepath.Join(dir, "series.txt"), filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that was free a moment ago
	must(err)
	address := l.Addr().String()
	must(l.Close())
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // a directory of the test
	must(err)
	server := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), //nolint:gosec // as above
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	server.Stderr = log
	must(server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill() // it holds nothing that is needed
		_ = server.Wait()
		_ = log.Close()
	})
	at := &url.URL{Scheme: "http", Host: address}
	ready(t, at, log.Name())
	return &prometheus.Server{URL: at}
}

// ready waits until a server says that it is.
func ready(t *testing.T, at *url.URL, log string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 600 {
		if resp, err := http.Get(at.JoinPath("-/ready").String()); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		<-tick.C
	}
	said, _ := os.ReadFile(log) //nolint:gosec // a file of the test
	t.Fatalf("Prometheus is not ready after 30 s:\n%s", said)
}

func read(t *testing.T, s *prometheus.Server, queries ...prometheus.Query) map[string]prometheus.Reading {
	t.Helper()
	all, err := s.Read(t.Context(), queries, began.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]prometheus.Reading{}
	for _, r := range all {
		found[r.Field] = r
	}
	return found
}

// TestRealServer puts the default queries, and some that have no answer, to a
// real Prometheus.
func TestRealServer(t *testing.T) {
	t.Parallel()
	s := realServer(t)
	got := read(t, s, prometheus.Defaults("5m")...)
	for field, want := range map[string]string{
		"observed.p99":             "260 ms", // half of the way from 8 ms to 512 ms, by rank
		"observed.p999":            "487 ms",
		"observed.replication_lag": "5 s",
		"observed.cache_hit_rate":  "75 %",
	} {
		if got[field].Value != want || got[field].Unknown != "" {
			t.Errorf("%s is %+v, want %s", field, got[field], want)
		}
	}
	for expr, want := range map[string]string{
		"nothing_of_that_name":            "no such series",
		"mainstem_pg_replica_lag_seconds": "2 series",
		`histogram_quantile(0.99, sum by (le) (rate(slow_seconds_bucket[5m])))`: "100 ms", // of what is beyond its last bucket Prometheus tells the last bound
		`histogram_quantile(0.99, sum by (le) (rate(idle_seconds_bucket[5m])))`: "NaN",
		"1/0":                                 "Inf",
		"sum(":                                "bad_data",
		"mainstem_pg_replica_lag_seconds[5m]": "matrix",
		"-1":                                  "below zero",
		"7200":                                "over the limit of 1h",
		"0.0125":                              "12.5 ms",
	} {
		r := read(t, s, prometheus.Query{Field: "observed.p99", Expr: expr})["observed.p99"]
		if got := r.Value + " " + r.Unknown; !strings.Contains(got, want) || (r.Unknown != "") != (r.Value == workload.Unknown) {
			t.Errorf("%s gives %q, want %q", expr, got, want)
		}
	}
	for _, c := range []struct{ field, expr, want string }{
		{"observed.cache_hit_rate", "1.5", "more than all of it"},
		{"observed.utilisation", "0.4", "40 %"},
		{"operations[0].rate", "sum(rate(mainstem_call_duration_seconds_bucket{le='+Inf'}[5m]))", "167/s"},
		{"load.data_size", "2.5e9", "2.5 GB"},
		{"quorum.n", "2.5", "no whole number"},
		{"observed.bottleneck", "1", "is no figure"},
	} {
		r := read(t, s, prometheus.Query{Field: c.field, Expr: c.expr})[c.field]
		if !strings.Contains(r.Value+" "+r.Unknown, c.want) {
			t.Errorf("%s from %s is %+v, want %s", c.field, c.expr, r, c.want)
		}
	}
}

// TestServersThatDoNotAnswer are stood in for: no real one does this on request.
func TestServersThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	hangs := make(chan struct{})
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"hangs":   {func(w http.ResponseWriter, r *http.Request) { <-hangs }, "no answer within 50ms"},
		"HTML":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "no answer of the Prometheus API"},
		"another": {http.NotFound, "404 Not Found"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat(" ", prometheus.LimitAnswer+1))
		}, "larger than 1048576 bytes"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "{")
		}, "unexpected EOF"},
	} {
		server := httptest.NewServer(c.serve)
		at, err := url.Parse(strings.Replace(server.URL, "http://", "http://reader:secret@", 1))
		if err != nil {
			t.Fatal(err)
		}
		s := &prometheus.Server{URL: at, Timeout: 50 * time.Millisecond}
		if name != "hangs" {
			s.Timeout = time.Minute
		}
		readings, err := s.Read(t.Context(), prometheus.Defaults("5m"), time.Now())
		if !errors.Is(err, prometheus.ErrNoAnswer) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		for _, r := range readings {
			if r.Value != workload.Unknown || !strings.Contains(r.Unknown, c.want) {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if name == "hangs" {
			close(hangs)
		}
		server.Close()
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	nobody := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	if _, err := (&prometheus.Server{URL: nobody}).Read(gone, prometheus.Defaults("5m"), time.Now()); !errors.Is(err, prometheus.ErrNoAnswer) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := (&prometheus.Server{URL: nobody}).Read(gone, []prometheus.Query{{Field: "observed.p98", Expr: "1"}}, time.Now()); err == nil {
		t.Error("a field that does not exist is asked for")
	}
}

// TestLargestAnswer is read as far as the limit.
func TestLargestAnswer(t *testing.T) {
	t.Parallel()
	text := `{"status":"success","data":{"resultType":"scalar","result":[1,"0.5"]}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, text+strings.Repeat(" ", prometheus.LimitAnswer-len(text)))
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, &prometheus.Server{URL: at}, prometheus.Query{Field: "observed.p99", Expr: "0.5"}); got["observed.p99"].Value != "500 ms" {
		t.Errorf("%+v", got)
	}
}

// FuzzAnswer: whatever a server sends, a field has a value that its own parser
// reads, or is unknown and says why.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.5"]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"1e300"]}}`))
	f.Add([]byte(`{"status":"error","errorType":"x","error":"y"}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"histogram":[1,{}]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		client := &http.Client{Transport: always(body)}
		s := &prometheus.Server{URL: &url.URL{Scheme: "http", Host: "a"}, Client: client}
		readings, _ := s.Read(t.Context(), []prometheus.Query{{Field: "observed.p99", Expr: "x"}}, time.Now()) // the reading says it
		for _, r := range readings {
			field, _ := workload.Lookup(r.Field)
			v, err := field.Parse(r.Value)
			if err != nil || v.Known == (r.Unknown != "") {
				t.Fatalf("%q gives %+v, %v", body, r, err)
			}
		}
	})
}

// always is a network whose answer never varies.
type always []byte

func (a always) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_, _ = w.Write(a) // into memory
	return w.Result(), nil
}

var metricName = regexp.MustCompile(`mainstem_[a-z_]+`)

// TestDefaultsNameMetricsThatExist, as the reference lists them.
func TestDefaultsNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range prometheus.Defaults("5m") {
		if _, ok := workload.Lookup(q.Field); !ok || q.About == "" || strings.Contains(q.Expr, "$") {
			t.Errorf("%+v", q)
		}
		for _, name := range metricName.FindAllString(q.Expr, -1) {
			if !strings.Contains(string(page), "`"+strings.TrimSuffix(name, "_bucket")+"`") {
				t.Errorf("%s: there is no metric %s", q.Field, name)
			}
		}
	}
}
