package peer

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// serverPeer is Mainstem behind its server, asked over the loopback interface by
// one client in the same process, as etcd is.
var serverPeer = Peer{
	Name: "mainstem-server", Kinds: []Kind{CAS, Add, Append, Get},
	Open: func(ctx context.Context, c Config) (System, error) {
		s, err := OpenServed(ctx, c)
		if err != nil {
			return nil, err
		}
		return s, s.setCounter(ctx)
	},
}

// Served is Mainstem behind a server.
type Served struct {
	*Mainstem
	// Address is where the server listens.
	Address string
	handler *server.Server
	web     *http.Server
	client  *remote.DB
}

// OpenServed opens Mainstem, a server before it, and a client of that.
func OpenServed(ctx context.Context, c Config) (*Served, error) {
	m, err := OpenMainstem(ctx, c)
	if err != nil {
		return nil, err
	}
	return NewServed(m)
}

// NewServed puts a server before Mainstem, and a client of that in its place; where
// that fails, Mainstem is closed.
func NewServed(m *Mainstem) (*Served, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	s := &Served{Mainstem: m, Address: "http://" + listener.Addr().String()}
	s.handler = server.New(m.DB.Backend(), server.Promise(m.DB.Guarantees))
	s.web = server.HTTP(s.handler)
	go s.web.Serve(listener) // ends with Close, and says so
	if s.client, err = remote.Open(s.Address); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Asked = s.client.DB
	return s, nil
}

// Settings are those of the database, and how it is reached.
func (s *Served) Settings() map[string]string {
	settings := s.Mainstem.Settings()
	settings["reached"] = "loopback TCP, plain, one client"
	return settings
}

// Close closes client, server and database.
func (s *Served) Close() error {
	var err error
	if s.client != nil {
		err = s.client.Close()
	}
	return errors.Join(err, s.web.Close(), s.Mainstem.Close())
}
