//go:build unix

package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestFirstMistakes: what a newcomer gets wrong is answered with what to write
// instead, by every kind of call.
func TestFirstMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want(t, dir, 0, "certificates", "cert", "dev", "certs")
	save(t, dir, "web", "--rights", "read,write", "--group", "shop")
	plain := serve(t, t.TempDir(), "--listen", "127.0.0.1:0")
	secure := serve(t, dir, "--listen", "127.0.0.1:0", "--policy", "tokens.yaml", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem")
	mutual := serve(t, dir, "--listen", "127.0.0.1:0", "--dir", "mutual", "--client-ca", "certs/ca.pem", "--tls-cert", "certs/server.pem", "--tls-key", "certs/server-key.pem")
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	https, bare := strings.Replace(plain.address, "http:", "https:", 1), strings.TrimPrefix(plain.address, "http://")
	for _, c := range []struct {
		server, words string
		args          []string
	}{
		{"http://127.0.0.1:1", "start a server with mainstem serve", nil},
		{bare, "put http:// before it", nil},
		{https, "that server has no TLS: write http://", nil},
		{strings.Replace(secure.address, "https:", "http:", 1), "the server may have TLS: write https://", nil},
		{secure.address, "with --tls-ca", nil},
		{secure.address, "with --token-file", []string{"--tls-ca", "certs/ca.pem"}},
		{mutual.address, "certificate", []string{"--tls-ca", "certs/ca.pem"}},
		{other.URL, "another service has this port", nil},
		{strings.Replace(other.URL, "http:", "https:", 1), "no TLS: write http://", nil},
	} {
		for _, call := range [][]string{{"get", "shop/a"}, {"put", "shop/a", "b"}, {"feed"}, {"status"}} {
			got := mainstem(t, dir, "", append(append(call, "--server", c.server), c.args...)...)
			if got.code == 0 || !strings.Contains(got.err, c.words) {
				t.Errorf("%v of %s %v: exit code %d, want %q in\n%s", call, c.server, c.args, got.code, c.words, got.err)
			}
		}
	}
}
