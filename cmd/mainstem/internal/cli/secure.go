package cli

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/server"
)

// security is who may reach a server, and how.
type security struct {
	Policy   string `help:"Who may do what, as mainstem token writes it. Without it the server is for its own machine only." key:"policy" env:"MAINSTEM_POLICY" placeholder:"FILE"`
	Cert     string `name:"tls-cert" help:"Certificate of the server, for TLS 1.3." key:"tls.cert" env:"MAINSTEM_SERVER_CERT" placeholder:"FILE"`
	Key      string `name:"tls-key" help:"Key of --tls-cert." key:"tls.key" env:"MAINSTEM_SERVER_KEY" placeholder:"FILE"`
	ClientCA string `name:"client-ca" help:"Authorities of client certificates, which every client then has to show." key:"tls.client_ca" env:"MAINSTEM_CLIENT_CA" placeholder:"FILE"`
	OrToken  bool   `name:"client-cert-optional" help:"A client may also have a token and no certificate." key:"tls.client_cert_optional" env:"MAINSTEM_CLIENT_CERT_OPTIONAL"`
	Insecure bool   `help:"Listen in plain text beyond this machine: something before the server encrypts." key:"insecure" env:"MAINSTEM_INSECURE"`
}

// secured is what stands before a server.
type secured struct {
	gate *access.Gate
	tls  *tls.Config
}

// prepare reads the files, and refuses to listen where that would let strangers in.
// It tells count of requests that the policy refuses.
func (s *security) prepare(log *slog.Logger, at net.Addr, count func(access.Refusal)) (*secured, error) {
	ready := &secured{}
	err := s.permit(at)
	if err != nil {
		return nil, err
	}
	if s.Policy != "" {
		if ready.gate, err = access.Open(s.Policy, access.Log(log), access.Count(count)); err != nil {
			return nil, err
		}
	}
	if s.Cert == "" && s.Key == "" && s.ClientCA == "" && !s.OrToken {
		return ready, nil
	}
	ready.tls, err = access.TLS(access.TLSFiles{Certificate: s.Cert, Key: s.Key, ClientCA: s.ClientCA, Optional: s.OrToken, Log: log})
	return ready, err
}

func (s *security) permit(at net.Addr) error {
	return access.Permit(access.Listening{Address: at, TLS: s.Cert != "", Policy: s.Policy != "", Insecure: s.Insecure})
}

// options are the server's part.
func (s *secured) options() []server.Option {
	if s.gate == nil {
		return nil
	}
	return []server.Option{server.Guard(access.Guarded)}
}

// before stands before the server. Probes have no token.
func (s *secured) before(next http.Handler) http.Handler {
	if s.gate == nil {
		return access.Local(next)
	}
	return access.Middleware(s.gate, next, "/healthz", "/readyz")
}

// serve serves until the server is closed.
func (s *secured) serve(web *http.Server, l net.Listener) error {
	if s.tls == nil {
		return web.Serve(l)
	}
	web.TLSConfig = s.tls.Clone() // a server writes into it, and there is one for metrics, too
	return web.ServeTLS(l, "", "")
}

// address is the server's, for clients.
func (s *secured) address(l net.Listener) string {
	if s.tls == nil {
		return "http://" + l.Addr().String()
	}
	return "https://" + l.Addr().String()
}

// watch keeps the policy up to date until ctx ends: by itself, and at SIGHUP at once.
func (s *secured) watch(ctx context.Context) {
	if s.gate == nil {
		return
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go s.gate.Watch(ctx)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-hangup:
				_ = s.gate.Reload() // logged
			case <-ctx.Done():
				return
			}
		}
	}()
}
