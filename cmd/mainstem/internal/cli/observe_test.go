package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// measured stands in for Prometheus, which the tests of advise/prometheus run: it
// answers queries as the API does, and says of others that it has no such series.
func measured(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result := "[]"
		if value, ok := answers[r.FormValue("query")]; ok {
			result = fmt.Sprintf(`[{"metric":{},"value":[1,%q]}]`, value)
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":%s}}`, result)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestObserve writes what was read, keeps comments, and guesses nothing.
func TestObserve(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	text := "# mine\nobserved:\n  p99: 1 s # measured by hand\n  utilisation: 40 %\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := measured(t, map[string]string{"latency": "0.1234567", "busy": "0.5", "hits": "7"})
	run := func(args ...string) ran {
		t.Helper()
		return mainstem(t, t.TempDir(), "", append([]string{"advise", "observe", file, "--prometheus", server}, args...)...)
	}
	said := []string{"--query", "observed.p99=latency", "--query", "observed.utilisation=none", "--query", "observed.cache_hit_rate=hits"}
	show := run(append(said, "--show")...)
	now, err := os.ReadFile(file)
	if err != nil || string(now) != text || show.code != 0 {
		t.Errorf("--show writes, or fails: exit code %d, %v\n%s", show.code, err, now)
	}
	got := run(said...)
	if got.code != 0 || got.out != show.out {
		t.Errorf("exit code %d, and --show says otherwise:\n%s\n%s", got.code, got.out, got.err)
	}
	for _, want := range []string{
		"123 ms, was 1 s", "observed.utilisation       unknown: no such series, or nothing in them; the description keeps 40 %",
		"observed.cache_hit_rate    unknown: ", "more than all of it", "observed.replication_lag   unknown: no such series",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("it does not say %q:\n%s", want, got.out)
		}
	}
	if now, err = os.ReadFile(file); err != nil || string(now) != strings.Replace(text, "1 s", "123 ms", 1) {
		t.Errorf("%v\n%s", err, now)
	}
	lines := run(append(said, "--json")...)
	wantJSON(t, "advise observe", lines.out)
	if !strings.Contains(lines.out, `"value":"123 ms"`) || !strings.Contains(lines.out, `"unknown":"no such series`) {
		t.Error(lines.out)
	}
}

func TestObserveRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "observed: {p999: 1 s}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := measured(t, map[string]string{"high": "2"})
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{5, "the server answered no query", []string{"a.yaml", "--prometheus", "http://127.0.0.1:1"}},
		{2, "no address of a server", []string{"a.yaml", "--prometheus", "127.0.0.1:9090"}},
		{2, `did you mean "observed.p99"?`, []string{"a.yaml", "--prometheus", server, "--query", "observed.p98=x"}},
		{2, "no duration of Prometheus", []string{"a.yaml", "--prometheus", server, "--back", "1 hour"}},
		{2, "--timeout is 0s", []string{"a.yaml", "--prometheus", server, "--timeout", "0s"}},
		{2, "standard input cannot be written into", []string{"-", "--prometheus", server}},
		{3, `there is no description "nothing.yaml"`, []string{"nothing.yaml", "--prometheus", server}},
	} {
		got := mainstem(t, dir, "", append([]string{"advise", "observe"}, c.args...)...)
		if got.code != c.code || !strings.Contains(got.err, c.want) {
			t.Errorf("%v: exit code %d, %s, want %d, %s", c.args, got.code, got.err, c.code, c.want)
		}
	}
	got := mainstem(t, dir, "", "advise", "observe", "a.yaml", "--prometheus", server, "--query", "observed.p99=high")
	if got.code != 0 || !strings.Contains(got.out, "2 s was read, and contradicts the rest") {
		t.Errorf("p99 above p999: exit code %d, %s%s", got.code, got.out, got.err)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "a.yaml")); err != nil || string(now) != text {
		t.Errorf("%v, and the description is now %s", err, now)
	}
}
