package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/logurl"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// cluster is where the log is, if not in the directory, and which node of it this is.
type cluster struct {
	Log     logurl.URL `help:"Log of a cluster, in PostgreSQL or NATS JetStream; the directory then has this node's state only." key:"cluster.log" env:"MAINSTEM_LOG" placeholder:"URL"`
	Node    string     `help:"Name of this node, which no other one has." key:"cluster.node" env:"MAINSTEM_NODE" placeholder:"NAME"`
	Listen  address    `name:"peer-listen" help:"Address and port for the other nodes of the cluster." key:"cluster.listen" env:"MAINSTEM_PEER_LISTEN" placeholder:"HOST:PORT"`
	Address address    `name:"peer-address" help:"Where other nodes reach this one, if not as --peer-listen says." key:"cluster.address" env:"MAINSTEM_PEER_ADDRESS" placeholder:"HOST:PORT"`
	CA      string     `name:"peer-ca" help:"Authorities of the certificates that nodes show each other; each has its own as --tls-cert." key:"cluster.ca" env:"MAINSTEM_PEER_CA" placeholder:"FILE"`
	Zone    string     `help:"Where this node stands, for people and for what prefers its own zone." key:"cluster.zone" env:"MAINSTEM_ZONE" placeholder:"NAME"`
	Weak    bool       `name:"accept-weak-durability" help:"Go on where settings of the log's servers can lose what is acknowledged; everything then says so." key:"cluster.accept_weak_durability" env:"MAINSTEM_ACCEPT_WEAK_DURABILITY"`
}

// sound finds what cannot be, before anything is opened.
func (c *cluster) sound(s *security) error {
	switch {
	case !c.given():
		return nil
	case c.Node == "":
		return misused("give it with --node, for example the name of the machine", "a node of a cluster needs a name that no other node has")
	case c.Listen == "":
		return misused("give it with --peer-listen, for example 127.0.0.1:7271", "a node of a cluster needs an address for the other nodes")
	case c.CA != "" && (s.Cert == "" || s.Key == ""):
		return misused("give them with --tls-cert and --tls-key", "with --peer-ca a node shows a certificate of its own")
	case c.CA == "" && s.Policy != "":
		return misused("give the authorities of the nodes' certificates with --peer-ca", "without them whoever is on this machine decides as a node does, and the policy is not asked")
	}
	at, err := net.ResolveTCPAddr("tcp", string(c.Listen))
	if err != nil {
		return misused("give another with --peer-listen", "%v", err)
	}
	return c.admits(at)
}

// given reports whether this is a node: of the log that is named, or of a database in
// files, which can then move.
func (c *cluster) given() bool {
	return c.Weak || c.Log.String()+c.Node+string(c.Listen)+string(c.Address)+c.CA+c.Zone != ""
}

// admits refuses to let strangers decide as a node does.
func (c *cluster) admits(at net.Addr) error {
	tcp, ok := at.(*net.TCPAddr)
	switch {
	case ok && (tcp.IP == nil || tcp.IP.IsUnspecified()) && c.Address == "":
		return misused("say where the other nodes reach this one with --peer-address", "%s is every address of this machine", c.Listen)
	case c.CA == "" && (!ok || !tcp.IP.IsLoopback()):
		return misused("give the authorities of the nodes' certificates with --peer-ca, or listen on 127.0.0.1", "%s can be reached by other machines, and nothing says which are nodes", c.Listen)
	}
	return nil
}

// peers is where other nodes reach this one, and how it reaches them.
type peers struct {
	of       *settings
	listener net.Listener
	tls      *tls.Config // nil on one machine
	web      *http.Server
	ended    chan error
}

// join listens for the other nodes, if this is one of a cluster.
func (s *settings) join(ctx context.Context, log *slog.Logger) (*peers, error) {
	if err := s.cluster.sound(&s.security); err != nil || !s.given() {
		return nil, err
	}
	p := &peers{of: s, ended: make(chan error, 1)}
	var err error
	if s.CA != "" {
		if p.tls, err = access.TLS(access.TLSFiles{Certificate: s.Cert, Key: s.Key, ClientCA: s.CA, Log: log}); err != nil {
			return nil, err
		}
	}
	if p.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", string(s.cluster.Listen)); err != nil {
		return nil, misused("give another with --peer-listen", "cannot listen on %s: %v", s.cluster.Listen, err)
	}
	return p, nil
}

// address is where others reach this node.
func (p *peers) address() string {
	at := string(p.of.Address)
	if at == "" {
		at = p.listener.Addr().String()
	}
	if p.tls == nil {
		return "http://" + at
	}
	return "https://" + at
}

// options make the database a node of the cluster.
func (p *peers) options(ctx context.Context) ([]embedded.Option, error) {
	if p == nil {
		return nil, nil
	}
	release, _ := built()
	self := node.Shared{Address: p.address(), Zone: p.of.Zone, Version: release, Dial: p.dial, Reach: p.reach}
	if p.of.Log.String() == "" {
		return []embedded.Option{embedded.Movable(p.of.Node, self)}, nil
	}
	logs, err := p.of.Log.Open(ctx, p.of.Weak)
	if err != nil {
		return nil, err
	}
	return []embedded.Option{embedded.Cluster(logs, p.of.Node, self)}, nil
}

// dial reaches another node, which has its name in its certificate.
func (p *peers) dial(address string) (mainstem.Backend, error) {
	opts := []remote.Option{remote.Hedge(0)}
	if p.tls != nil {
		config, err := p.client()
		if err != nil {
			return nil, err
		}
		opts = append(opts, remote.TLS(config))
	}
	db, err := remote.Open(address, opts...)
	if err != nil {
		return nil, err
	}
	return db.Backend(), nil
}

// client is how this node shows itself. Its files are read at each handshake, so that
// a new certificate counts at once.
func (p *peers) client() (*tls.Config, error) {
	text, err := os.ReadFile(p.of.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, mainstem.Errorf(mainstem.Invalid, "%s has no certificate", p.of.CA)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(p.of.Cert, p.of.Key)
			return &pair, err
		},
	}, nil
}

// begin answers other nodes. What they ask was permitted where it came in.
func (p *peers) begin(db *embedded.DB, log *slog.Logger) {
	if p == nil {
		return
	}
	handler := http.Handler(server.New(db.Direct(), server.Promise(db.Guarantees), server.Health(db.Err)))
	if p.tls == nil {
		handler = access.Local(handler)
	}
	p.web = server.HTTP(handler)
	p.web.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	go func() { p.ended <- (&secured{tls: p.tls}).serve(p.web, p.listener) }()
}

// closing ends it. Nodes that wait for an answer ask again elsewhere.
func (p *peers) closing(err *error) {
	switch {
	case p == nil:
	case p.web == nil:
		_ = p.listener.Close() // nobody was answered
	default:
		*err = errors.Join(*err, p.web.Close(), ended(<-p.ended))
	}
}
