//go:build unix

package cli_test

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProfiles: nobody finds profiles where the data is; at their own address
// this machine does, by its own name only.
func TestProfiles(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--listen", "127.0.0.1:0", "--pprof", "127.0.0.1:0")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	get := func(url, host string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	if status, text := get(s.pprof+"goroutine?debug=1", ""); status != http.StatusOK || !strings.Contains(text, "mainstem") {
		t.Errorf("%d %.200s", status, text)
	}
	if status, text := get(s.pprof+"heap", "example.org"); status != http.StatusForbidden {
		t.Errorf("by another name: %d %.200s", status, text)
	}
	if status, _ := get(s.address+"/debug/pprof/heap", ""); status != http.StatusNotFound {
		t.Errorf("where the data is: %d", status)
	}
	if code, said := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("the server ended with %d: %s", code, said)
	}
	without := serve(t, t.TempDir(), "--listen", "127.0.0.1:0")
	if without.pprof != "" {
		t.Errorf("profiles nobody asked for are at %s", without.pprof)
	}
}
