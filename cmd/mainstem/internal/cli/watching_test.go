//go:build unix

package cli_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// fetch asks a URL as a host, with a token.
func fetch(t *testing.T, client *http.Client, url, host, token string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func impatient(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}, Timeout: 20 * time.Second}
}

// TestMetrics: at their own address and nowhere else, for this machine by its own
// name, with what was just done in them.
func TestMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, dir, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
	if got := asking(t, s.address, dir, "", "put", "a/b", "c"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	client := impatient(nil)
	status, text := fetch(t, client, s.metrics, "", "")
	for _, line := range []string{
		"mainstem_up 1\n", `mainstem_calls_total{kind="commit",outcome="done"} 1` + "\n", `mainstem_server_calls_total{call="transaction",outcome="done"} 1` + "\n",
		`mainstem_partition_position{partition="0"} 1` + "\n", "mainstem_server_connections 0\n", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if status != http.StatusOK || !strings.Contains(text, line) {
			t.Errorf("status %d, no %q in:\n%.4000s", status, line, text)
		}
	}
	if status, text := fetch(t, client, s.metrics, "example.org", ""); status != http.StatusForbidden {
		t.Errorf("by another name: %d %.200s", status, text)
	}
	if status, _ := fetch(t, client, s.address+"/metrics", "", ""); status != http.StatusNotFound {
		t.Errorf("where the data is: %d", status)
	}
	if code, said := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d: %s", code, said)
	}
	if without := serve(t, t.TempDir(), "--listen", "127.0.0.1:0"); without.metrics != "" {
		t.Errorf("metrics nobody asked for are at %s", without.metrics)
	}
}

// TestMetricsAreGuarded: as the database is. What a policy refuses is counted there.
func TestMetricsAreGuarded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want(t, dir, 0, "", "cert", "dev", "certs")
	save(t, dir, "web", "--rights", "read,write", "--group", "shop")
	save(t, dir, "prometheus", "--rights", "admin", "--group", "*")
	s := serve(t, dir, "--listen", "127.0.0.1:0", "--metrics", "0.0.0.0:0", "--policy", "tokens.yaml", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem")
	ca, err := os.ReadFile(filepath.Join(dir, "certs", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no authority")
	}
	url := "https://127.0.0.1" + s.metrics[strings.LastIndexByte(s.metrics, ':'):]
	client := impatient(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
	token := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name+".token"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	for name, want := range map[string]int{"": http.StatusUnauthorized, "mst_unknown": http.StatusUnauthorized, token("web"): http.StatusForbidden, token("prometheus"): http.StatusOK} {
		for _, place := range []string{url, strings.TrimSuffix(url, "metrics") + "hot"} {
			if status, text := fetch(t, client, place, "", name); status != want {
				t.Errorf("%s: %d, want %d: %.200s", place, status, want, text)
			}
		}
	}
	_, text := fetch(t, client, url, "", token("prometheus"))
	for _, line := range []string{`mainstem_server_refused_total{reason="unknown"} 4`, `mainstem_server_refused_total{reason="no_right"} 2`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in:\n%.2000s", line, text[strings.Index(text, "mainstem_server_refused_total"):])
		}
	}
	if strings.Contains(text, token("web")) || strings.Contains(text, "shop") {
		t.Error("a token or a name is in the metrics")
	}
	if code, said := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d: %s", code, said)
	}
}

// TestTraces: what a server did is at the collector that the environment names, also
// what was done just before it was told to go.
func TestTraces(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	spans, from := map[string]int{}, ""
	taking := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var m collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &m)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range m.GetResourceSpans() {
			from = of.GetResource().String()
			for _, scope := range of.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					spans[span.GetName()]++
				}
			}
		}
	}))
	defer taking.Close()
	dir := t.TempDir()
	s := serveWith(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + taking.URL, "OTEL_RESOURCE_ATTRIBUTES=deployment=test"}, dir, "--listen", "127.0.0.1:0")
	for range 3 {
		if got := asking(t, s.address, dir, "", "put", "a/b", "c"); got.code != 0 {
			t.Fatalf("%+v", got)
		}
	}
	if code, said := s.stop(syscall.SIGTERM); code != 0 || strings.Contains(said, "traces") {
		t.Errorf("the server ended with %d: %s", code, said)
	}
	mu.Lock()
	defer mu.Unlock()
	if spans["mainstem.commit"] != 3 || !strings.Contains(from, `"mainstem"`) || !strings.Contains(from, "deployment") {
		t.Errorf("the collector got %v of %s", spans, from)
	}
}

// TestTracesGoNowhere: a collector that is away costs a line of the log, and the end
// of a server a bounded time.
func TestTracesGoNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serveWith(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, dir, "--listen", "127.0.0.1:0")
	if got := asking(t, s.address, dir, "", "put", "a/b", "c"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	began := time.Now()
	code, said := s.stop(syscall.SIGTERM)
	if code != 0 || !strings.Contains(said, "traces were not exported") {
		t.Errorf("the server ended with %d: %s", code, said)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s to leave", took)
	}
}
