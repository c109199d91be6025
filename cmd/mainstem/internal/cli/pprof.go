package cli

import (
	"context"
	"net"
	"net/http"
	"net/http/pprof"

	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/server"
)

// pprof is the address for profiles, or nil. A profile shows what is in memory, and
// taking one costs: nobody beyond this machine may ask, whatever the policy says.
func (s *settings) pprof() (*net.TCPAddr, error) {
	if s.Pprof == "" {
		return nil, nil
	}
	at, err := net.ResolveTCPAddr("tcp", string(s.Pprof))
	if err != nil {
		return nil, misused("give another address", "pprof: %v", err)
	}
	if !at.IP.IsLoopback() {
		return nil, misused("write 127.0.0.1:PORT, and reach it from elsewhere through ssh -L", "profiles at %s could be taken from other machines", s.Pprof)
	}
	return at, nil
}

// profiles serves profiles until it is closed.
type profiles struct {
	address string
	web     *http.Server
	ended   chan error
}

// profile begins to serve profiles, if there is to be an address for that.
func (s *settings) profile(ctx context.Context) (*profiles, error) {
	at, err := s.pprof()
	if err != nil || at == nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, misused("give another with --pprof", "cannot listen on %s: %v", at, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	p := &profiles{address: "http://" + listener.Addr().String() + "/debug/pprof/", ended: make(chan error, 1)}
	p.web = server.HTTP(access.Local(mux))
	go func() { p.ended <- p.web.Serve(listener) }()
	return p, nil
}

// close ends it, with the profiles that are being taken.
func (p *profiles) close() {
	if p == nil {
		return
	}
	_ = p.web.Close() // who takes a profile of a server that ends gets half of one
	<-p.ended
}
