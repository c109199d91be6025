package access

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// secured serves a database over TLS and counts the requests that come so far.
func secured(t *testing.T, c *tls.Config) (url string, requests *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	requests = new(atomic.Int64)
	inner := server.New(database(t).Backend())
	s := server.HTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		inner.ServeHTTP(w, r)
	}))
	s.TLSConfig, s.ErrorLog = c, log.New(io.Discard, "", 0)
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return "https://" + l.Addr().String(), requests
}

// everyCall does one of each that a client can, and gives what came of it.
func everyCall(t *testing.T, db *remote.DB) map[string]error {
	t.Helper()
	_, commit := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "i"}, Attempt: 1, Operations: put("k")})
	v, view := db.Backend().View(t.Context(), mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
	if view == nil {
		view = v.Close()
	}
	var feed error
	for _, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
		feed = err
	}
	_, status := db.Status(t.Context())
	return map[string]error{"commit": commit, "view": view, "feed": feed, "status": status}
}

// meeting is a server and a client, and what comes of it.
type meeting struct {
	what   string
	server tls.Certificate
	client *tls.Certificate
	change func(*tls.Config)
	mutual bool
	want   string // what the error says; none where all is well
}

// config is the server's half.
func (m *meeting) config(ca *authority) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.server}, NextProtos: []string{"h2"}}
	if m.mutual {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AddCert(ca.cert)
	}
	if m.change != nil {
		m.change(c)
	}
	return c
}

// mine is the client's half.
func (m *meeting) mine(ca *authority) *tls.Config {
	c := &tls.Config{RootCAs: x509.NewCertPool()} //nolint:gosec // the client raises it
	c.RootCAs.AddCert(ca.cert)
	if m.client != nil {
		show(*m.client)(c)
	}
	return c
}

// TestWrongCertificates: a client sends nothing to a server that cannot show who it is,
// and a server answers nothing to a client that it does not know; both at once.
func TestWrongCertificates(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	of := func(from *authority, use x509.ExtKeyUsage, ip net.IP, begin, end time.Duration) tls.Certificate {
		return pair(from.sign(t, &x509.Certificate{
			Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{ip}, ExtKeyUsage: []x509.ExtKeyUsage{use},
			NotBefore: time.Now().Add(begin), NotAfter: time.Now().Add(end),
		}))
	}
	here, hour := net.IPv4(127, 0, 0, 1), time.Hour
	good := of(ca, x509.ExtKeyUsageServerAuth, here, -hour, hour)
	ship := ca.client(t, "ship", "", time.Time{})
	for _, c := range []meeting{
		{"all is well", good, nil, nil, false, ""},
		{"all is well with a client's certificate", good, &ship, nil, true, ""},
		{"a server of another authority", of(other, x509.ExtKeyUsageServerAuth, here, -hour, hour), nil, nil, false, "unknown authority"},
		{"a server whose certificate has ended", of(ca, x509.ExtKeyUsageServerAuth, here, -2*hour, -hour), nil, nil, false, "expired"},
		{"a server whose certificate has not begun", of(ca, x509.ExtKeyUsageServerAuth, here, hour, 2*hour), nil, nil, false, "not yet valid"},
		{"a server of another address", of(ca, x509.ExtKeyUsageServerAuth, net.IPv4(127, 0, 0, 9), -hour, hour), nil, nil, false, "127.0.0.1"},
		{"a client that poses as a server", of(ca, x509.ExtKeyUsageClientAuth, here, -hour, hour), nil, nil, false, "incompatible key usage"},
		{"a server of TLS 1.2", good, nil, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }, false, "protocol version"},
		{"no client certificate", good, nil, nil, true, "certificate required"},
		{"a client of another authority", good, new(other.client(t, "ship", "", time.Time{})), nil, true, "certificate"},
		{"a client whose certificate has ended", good, new(ca.client(t, "ship", "", time.Now().Add(-time.Minute))), nil, true, "certificate"},
		{"a server that poses as a client", good, &good, nil, true, "certificate"},
	} {
		t.Run(c.what, func(t *testing.T) {
			url, requests := secured(t, c.config(ca))
			db, err := remote.Open(url, remote.TLS(c.mine(ca)), remote.Bearer(func() (string, error) { return "a-secret", nil }))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			began := time.Now()
			for call, err := range everyCall(t, db) {
				switch said := fmt.Sprint(err); {
				case c.want == "" && err != nil:
					t.Errorf("%s: %v", call, err)
				case c.want != "" && mainstem.CodeOf(err) != mainstem.Unavailable:
					t.Errorf("%s: %v", call, err)
				// In TLS 1.3 the client is done before the server has looked at its
				// certificate: what it meets first may be the closed connection.
				case !c.mutual && !strings.Contains(said, c.want) && !strings.Contains(said, "left alone"):
					t.Errorf("%s does not say why: %v", call, err)
				}
			}
			if took := time.Since(began); took > remote.DialTimeout {
				t.Errorf("it took %s", took)
			}
			if n := requests.Load(); (n == 0) != (c.want != "") {
				t.Errorf("%d requests have come", n)
			}
		})
	}
}
