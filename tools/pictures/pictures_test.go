package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// free is an address where nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// again tries until it is done, or the test's patience ends.
func again(t *testing.T, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for err := try(); err != nil; err = try() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestDashboard draws what a real Prometheus says of itself.
func TestDashboard(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("not run: there is no prometheus here; Debian's package is prometheus")
	}
	dir, address := t.TempDir(), free(t)
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	config := write("prometheus.yml", "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ['"+address+"']}]}]\n")
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	name := write("dashboard.json", `{"title": "self & all", "panels": [
		{"type": "row", "title": "Row", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}},
		{"type": "stat", "title": "Up", "gridPos": {"x": 0, "y": 1, "w": 4, "h": 4}, "fieldConfig": {"defaults": {"unit": "none",
			"thresholds": {"steps": [{"color": "red", "value": null}, {"color": "green", "value": 1}]}, "mappings": [{"options": {"1": {"text": "serves"}}}]}},
			"targets": [{"expr": "min(up{job=~\"$job\"})"}]},
		{"type": "timeseries", "title": "Lines", "gridPos": {"x": 0, "y": 5, "w": 8, "h": 8}, "fieldConfig": {"defaults": {"unit": "bytes"}},
			"targets": [{"expr": "up * 2048", "legendFormat": "{{job}} <lines>"}]},
		{"type": "timeseries", "title": "Nothing", "gridPos": {"x": 8, "y": 5, "w": 8, "h": 8}, "targets": [{"expr": "no_such_metric"}]}]}`)
	var page bytes.Buffer
	again(t, "drawing", func() error {
		page.Reset()
		err := run(t.Context(), []string{"dashboard", "-prometheus", "http://" + address, "-over", "1m", name}, &page)
		if err == nil && !strings.Contains(page.String(), "serves") {
			err = fmt.Errorf("the page has no value yet: %.500s", page.String())
		}
		return err
	})
	for _, want := range []string{"self &amp; all", `<p class="stat green">serves</p>`, "self &lt;lines&gt;", "last 2 KiB, max 2 KiB", "no data", "grid-column:1/span 8;grid-row:6/span 8"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for text, want := range map[string]string{`{"panels": [{"type": "pie"}]}`: `"pie"`, `{"panels": [{"type": "stat", "targets": [{"expr": "(("}]}]}`: "parse error", `[`: "JSON"} {
		err := run(t.Context(), []string{"dashboard", "-prometheus", "http://" + address, write("bad.json", text)}, &page)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTrace draws a request whose effect is another trace, and waits until it has it.
func TestTrace(t *testing.T) {
	address := free(t)
	send := func(service string, s *tracepb.Span) error {
		body, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
			Resource:   &resource.Resource{Attributes: []*common.KeyValue{{Key: "service.name", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: service}}}}},
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{s}}},
		}}})
		if err != nil {
			return err
		}
		response, err := http.Post("http://"+address+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", response.Status)
		}
		return nil
	}
	id := func(n byte) []byte { return bytes.Repeat([]byte{n}, 8) }
	at := uint64(time.Now().Add(time.Second).UnixNano())
	spans := []*tracepb.Span{
		{Name: "POST /orders", TraceId: id(1), SpanId: id(1), StartTimeUnixNano: at, EndTimeUnixNano: at + 5e6},
		{Name: "commit", TraceId: id(1), SpanId: id(2), ParentSpanId: id(1), StartTimeUnixNano: at + 1e6, EndTimeUnixNano: at + 4e6, Attributes: []*common.KeyValue{
			{Key: "mainstem.position", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 7}}},
		}},
		{Name: "deliver", TraceId: id(2), SpanId: id(3), StartTimeUnixNano: at + 6e6, EndTimeUnixNano: at + 9e6, Links: []*tracepb.Span_Link{{TraceId: id(1), SpanId: id(1)}}},
		{Name: "stranger", TraceId: id(3), SpanId: id(4), StartTimeUnixNano: at, EndTimeUnixNano: at + 1},
		{Name: "booked", TraceId: id(2), SpanId: id(5), ParentSpanId: id(3), StartTimeUnixNano: at + 7e6, EndTimeUnixNano: at + 8e6},
	}
	var page bytes.Buffer
	drawn := make(chan error, 1)
	go func() { drawn <- run(t.Context(), []string{"trace", "-listen", address}, &page) }()
	for _, s := range spans {
		again(t, "sending "+s.GetName(), func() error { return send("of-"+s.GetName(), s) })
	}
	if err := <-drawn; err != nil {
		t.Fatal(err)
	}
	text, last := page.String(), -1
	for _, want := range []string{"POST /orders", "commit", "3ms, position 7", "deliver", "stroke-dasharray", "booked"} {
		i := strings.Index(text, want)
		if i < last || i < 0 {
			t.Errorf("%q is at %d, what comes before it at %d", want, i, last)
		}
		last = i
	}
	if strings.Contains(text, "stranger") {
		t.Error("what has nothing to do with the request is drawn")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := run(ctx, []string{"trace", "-listen", address, "-patience", "1ms"}, &page); err == nil {
		t.Error("a request that never came is drawn")
	}
}

func TestSpell(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "s", "0 s"},
		{2.5e-4, "s", "250 µs"},
		{0.02, "s", "20 ms"},
		{90, "s", "90 s"},
		{1536, "bytes", "1.5 KiB"},
		{2e6, "Bps", "2 MB/s"},
		{1200, "reqps", "1.2 k/s"},
		{0.05, "percentunit", "5 %"},
		{12, "short", "12"},
		{1e6, "none", "1 M"},
	} {
		if got := spell(c.v, c.unit); got != c.want {
			t.Errorf("%v in %s is %q, want %q", c.v, c.unit, got, c.want)
		}
	}
	for v, want := range map[float64]float64{0: 0.25, 0.3: 0.5, 1: 1, 3: 5, 7: 10, 1.5e6: 2e6} {
		if got := nice(v); got != want {
			t.Errorf("the next after %v is %v, want %v", v, got, want)
		}
	}
}
