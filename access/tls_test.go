package access

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

// serve serves the name of the client over real TLS, on loopback.
func serve(t *testing.T, c *tls.Config, g *Gate) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		TLSConfig: c, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: Middleware(g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, _ := ClientFrom(r.Context())
			_, _ = io.WriteString(w, r.Proto+" "+who.Name())
		})),
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return "https://" + l.Addr().String()
}

// visit asks the server over a connection of its own.
func visit(t *testing.T, url string, ca *authority, change func(*tls.Config), headers ...string) (answer string, status int, err error) {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()} //nolint:gosec // old versions are what is tested
	c.RootCAs.AddCert(ca.cert)
	if change != nil {
		change(c)
	}
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		r.Header.Add("Authorization", h)
	}
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), resp.StatusCode, err
}

// show shows a certificate whether the server asks for one of its authority or not.
func show(c tls.Certificate) func(*tls.Config) {
	return func(to *tls.Config) {
		to.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	}
}

// refusal is the alert with which the server ends the connection. The client's half of
// the handshake is over by then, so it comes at the first read.
func refusal(t *testing.T, url string, ca *authority, change func(*tls.Config)) error {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()} //nolint:gosec // old versions are what is tested
	c.RootCAs.AddCert(ca.cert)
	if change != nil {
		change(c)
	}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), c)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

func configOf(t *testing.T, f TLSFiles) *tls.Config {
	t.Helper()
	c, err := TLS(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	g := gateOf(t,
		Entry{Name: "ship", Certificates: []Certificate{{URI: "spiffe://shop/ship"}}, Rules: []Rule{everything}},
		Entry{Name: "bill", Certificates: []Certificate{{Subject: "CN=bill"}}, Rules: []Rule{everything}},
		entry("web", everything))
	f := files(t, t.TempDir(), ca.server(t), ca)
	strict := configOf(t, f)
	f.Optional = true
	lenient := configOf(t, f)
	f.ClientCA, f.Optional = "", false
	tokens := configOf(t, f)
	ship := ca.client(t, "x", "spiffe://shop/ship", time.Time{})
	for _, c := range []struct {
		what   string
		server *tls.Config
		change func(*tls.Config)
		header []string
		want   string // answer, or part of the handshake's error
		status int
	}{
		{"a certificate by URI", strict, show(ship), nil, "HTTP/2.0 ship", 200},
		{"a certificate by subject", strict, show(ca.client(t, "bill", "", time.Time{})), nil, "HTTP/2.0 bill", 200},
		{"a token beside a certificate", strict, show(ship), []string{"Bearer web"}, "HTTP/2.0 web", 200},
		{"a wrong token beside a certificate", strict, show(ship), []string{"Bearer wrong"}, "", 401},
		{"two tokens beside a certificate", strict, show(ship), []string{"Bearer web", "Bearer web"}, "", 401},
		{"a certificate of nobody", strict, show(ca.client(t, "nobody", "spiffe://shop/nobody", time.Time{})), nil, "", 401},
		{"a certificate of two", strict, show(ca.client(t, "bill", "spiffe://shop/ship", time.Time{})), nil, "", 401},
		{"no certificate", strict, nil, []string{"Bearer web"}, "certificate required", 0},
		{"a certificate of another authority", strict, show(other.client(t, "bill", "", time.Time{})), nil, "unknown certificate authority", 0},
		{"an expired certificate", strict, show(ca.client(t, "bill", "", time.Now().Add(-time.Minute))), nil, "expired certificate", 0},
		{"a server's certificate", strict, show(ca.server(t)), nil, "bad certificate", 0},
		{"TLS 1.2", strict, func(c *tls.Config) { show(ship)(c); c.MaxVersion = tls.VersionTLS12 }, nil, "protocol version", 0},
		{"TLS 1.2 with a token", tokens, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, []string{"Bearer web"}, "protocol version", 0},
		{"another server", strict, func(c *tls.Config) { show(ship)(c); c.RootCAs = x509.NewCertPool() }, nil, "unknown authority", 0},
		{"optional: no certificate and a token", lenient, nil, []string{"Bearer web"}, "HTTP/2.0 web", 200},
		{"optional: neither", lenient, nil, nil, "", 401},
		{"optional: a certificate", lenient, show(ship), nil, "HTTP/2.0 ship", 200},
		{"optional: a certificate of another authority", lenient, show(other.client(t, "bill", "", time.Time{})), []string{"Bearer web"}, "unknown certificate authority", 0},
		{"tokens: a token", tokens, nil, []string{"Bearer web"}, "HTTP/2.0 web", 200},
		{"tokens: a certificate counts for nothing", tokens, show(ship), nil, "", 401},
	} {
		t.Run(c.what, func(t *testing.T) {
			url := serve(t, c.server, g)
			answer, status, err := visit(t, url, ca, c.change, c.header...)
			if c.status == 0 {
				if err == nil {
					t.Fatalf("answer %q with status %d, want %s", answer, status, c.want)
				}
				alert := refusal(t, url, ca, c.change)
				if alert == nil || !strings.Contains(alert.Error(), c.want) {
					t.Errorf("errors %v and %v, want %s", err, alert, c.want)
				}
				return
			}
			if err != nil || status != c.status || c.want != "" && answer != c.want {
				t.Errorf("status %d, answer %q, error %v; want %d, %q", status, answer, err, c.status, c.want)
			}
		})
	}
}

// TestCertificateEndsOnOpenConnections: what is not seen by a handshake any more is
// seen by the next request.
func TestCertificateEndsOnOpenConnections(t *testing.T) {
	ca := newAuthority(t, "ca")
	g := gateOf(t, Entry{Name: "bill", Certificates: []Certificate{{Subject: "CN=bill"}}, Rules: []Rule{everything}})
	for until, want := range map[time.Time]bool{time.Now().Add(time.Hour): true, time.Now().Add(-time.Second): false} {
		leaf := ca.client(t, "bill", "", until).Leaf
		_, ok := g.client(&http.Request{TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}}})
		if ok != want {
			t.Errorf("a certificate until %s: let in %t", until, ok)
		}
	}
	unverified := ca.client(t, "bill", "", time.Time{}).Leaf
	if _, ok := g.client(&http.Request{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{unverified}}}); ok {
		t.Error("a certificate that nobody has verified was let in")
	}
}

// TestCertificatesReload: new files are used by the next handshake, also another
// authority of clients; bad ones are told once and change nothing.
func TestCertificatesReload(t *testing.T) {
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	g := gateOf(t, Entry{Name: "bill", Certificates: []Certificate{{Subject: "CN=bill"}}, Rules: []Rule{everything}})
	dir := t.TempDir()
	var told bytes.Buffer
	f := files(t, dir, first.server(t), first)
	f.Log = slog.New(slog.NewTextHandler(&told, nil))
	k := &keys{files: f}
	if err := k.load(); err != nil {
		t.Fatal(err)
	}
	// The clock of k is set back instead of waiting.
	config := &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		k.looked = time.Time{}
		return k.now(), nil
	}}
	url := serve(t, config, g)
	by := func(ca *authority) error {
		_, status, err := visit(t, url, ca, show(ca.client(t, "bill", "", time.Time{})))
		if err == nil && status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		return err
	}
	if err := by(first); err != nil {
		t.Fatal(err)
	}
	files(t, dir, second.server(t), second)
	if err := by(second); err != nil {
		t.Errorf("with the new files: %v", err)
	}
	if err := by(first); err == nil {
		t.Error("a client of the authority before is still let in")
	}
	if err := os.WriteFile(f.Key, []byte("half of a k"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := by(second); err != nil {
			t.Errorf("with a bad key beside: %v", err)
		}
	}
	if n := strings.Count(told.String(), "\n"); n != 1 {
		t.Errorf("told %d times:\n%s", n, told.String())
	}
}

func TestTLSRefuses(t *testing.T) {
	ca := newAuthority(t, "ca")
	good := files(t, t.TempDir(), ca.server(t), ca)
	for what, change := range map[string]func(*TLSFiles){
		"no certificate":            func(f *TLSFiles) { f.Certificate = "" },
		"no key":                    func(f *TLSFiles) { f.Key = "" },
		"a key that is not there":   func(f *TLSFiles) { f.Key += "x" },
		"a certificate for a key":   func(f *TLSFiles) { f.Key = f.Certificate },
		"a key for authorities":     func(f *TLSFiles) { f.ClientCA = f.Key },
		"optional without anything": func(f *TLSFiles) { f.ClientCA, f.Optional = "", true },
	} {
		f := good
		change(&f)
		if _, err := TLS(f); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPermit(t *testing.T) {
	address := func(text string) net.Addr {
		ip, _, _ := strings.Cut(text, " ")
		return &net.TCPAddr{IP: net.ParseIP(ip), Port: 7171}
	}
	for _, c := range []struct {
		address                           net.Addr
		encrypted, policy, insecure, want bool
	}{
		{address("127.0.0.1"), false, false, false, true},
		{address("127.1.2.3"), false, false, false, true},
		{address("::1"), false, false, false, true},
		{&net.UnixAddr{Name: "s", Net: "unix"}, false, false, false, true},
		{address("::"), false, false, false, false},
		{address("0.0.0.0"), false, false, false, false},
		{address("10.0.0.1"), false, false, false, false},
		{nil, false, false, false, false},
		{&net.TCPAddr{}, false, false, false, false},
		{address("10.0.0.1"), true, false, false, false},
		{address("10.0.0.1"), true, false, true, false},
		{address("10.0.0.1"), false, false, true, false},
		{address("10.0.0.1"), false, true, false, false},
		{address("10.0.0.1"), false, true, true, true},
		{address("10.0.0.1"), true, true, false, true},
		{address("::ffff:127.0.0.1"), false, false, false, true},
	} {
		err := Permit(Listening{Address: c.address, TLS: c.encrypted, Policy: c.policy, Insecure: c.insecure})
		if (err == nil) != c.want || err != nil && mainstem.CodeOf(err) != mainstem.Denied {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
