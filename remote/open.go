package remote

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
)

// Defaults and limits of a client (L10).
const (
	// DefaultTimeout bounds a Commit, the opening of a view, and each question to
	// it, where the caller's context does not end earlier.
	DefaultTimeout = 30 * time.Second
	// DefaultHedge is the pause after which an unanswered read is asked of a second
	// server, where there is one.
	DefaultHedge = 100 * time.Millisecond
	// LimitWaiting is the most transactions of one client that wait for an
	// answer; more are Overloaded.
	LimitWaiting = 8192
	// LimitServers is the most servers of one client.
	LimitServers = 64
	// LimitAnswer is the most bytes of one message of a server.
	LimitAnswer = 64 << 20
	// ZoneEvery is how often servers are asked where they stand, by a client that
	// prefers its own zone.
	ZoneEvery = 10 * time.Second
	// DialTimeout bounds making a connection, the handshake included.
	DialTimeout = 5 * time.Second
	// PingAfter is the silence of a connection after which the client asks whether
	// the server is still there, and PingTimeout how long the answer may take.
	PingAfter   = 5 * time.Second
	PingTimeout = 5 * time.Second
	// FeedSilence is the silence after which a feed is taken for broken. A server
	// gives a sign of life every 10 s.
	FeedSilence = 30 * time.Second
)

// Option sets up a client. The set is closed.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

type config struct {
	timeout, hedge time.Duration
	zone           string
	token          func() (string, error)
	tls            *tls.Config
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
	pick           func(n uint32) uint32 // the first one that is preferred
	interceptors   []connect.Interceptor
}

// Timeout replaces DefaultTimeout.
func Timeout(d time.Duration) Option { return option(func(c *config) { c.timeout = d }) }

// Hedge replaces DefaultHedge; 0 asks one server at a time.
func Hedge(after time.Duration) Option { return option(func(c *config) { c.hedge = after }) }

// Zone says where the client stands. Views that ask for Within go to servers of its
// own zone first, as their Status tells it, and to the others where those do not
// answer: any server gives what Within promises, or fails. Zones are asked for beside
// the first such view, and again every ZoneEvery while there are some; until a zone is
// known, servers are asked in the usual order.
func Zone(name string) Option { return option(func(c *config) { c.zone = name }) }

// Bearer gives the token that each request carries. It is asked per request, and for
// transactions, which share a stream, when that begins and where one is Denied, so
// that a token can be replaced while the client runs.
func Bearer(token func() (string, error)) Option { return option(func(c *config) { c.token = token }) }

// TLS sets up encryption: roots, and a certificate of the client's own. TLS 1.3
// is the least, whatever it says.
func TLS(t *tls.Config) Option { return option(func(c *config) { c.tls = t }) }

// Intercept puts interceptors around every call, the first outermost.
func Intercept(i ...connect.Interceptor) Option {
	return option(func(c *config) { c.interceptors = append(c.interceptors, i...) })
}

// DB is a database on a server.
type DB struct {
	*mainstem.DB
	client *client
}

// Open makes a client of the servers at the given addresses, separated by
// commas: "http://127.0.0.1:7171", "https://db-1:7171,https://db-2:7171". They must
// be servers of one database. Each client prefers one of them, by chance, so that many
// clients are spread over all; where it does not answer, the next is asked, and is
// preferred from then on. Nothing is sent before the first call.
func Open(addresses string, opts ...Option) (*DB, error) {
	dialer := net.Dialer{Timeout: DialTimeout}
	c := config{timeout: DefaultTimeout, hedge: DefaultHedge, tls: new(tls.Config), dial: dialer.DialContext, pick: rand.Uint32N}
	for _, o := range opts {
		o.apply(&c)
	}
	if c.timeout <= 0 || c.hedge < 0 {
		return nil, mainstem.Errorf(mainstem.Invalid, "timeout of %s must be above 0, hedge after %s at least 0", c.timeout, c.hedge)
	}
	list := strings.Split(addresses, ",")
	if len(list) > LimitServers {
		return nil, mainstem.Errorf(mainstem.TooLarge, "%d servers; the limit is %d", len(list), LimitServers)
	}
	all := &client{config: c}
	all.life, all.end = context.WithCancelCause(context.Background())
	for _, address := range list {
		base, err := parseAddress(strings.TrimSpace(address), c.token != nil)
		if err != nil {
			return nil, err
		}
		all.servers = append(all.servers, newServer(base, all))
	}
	all.first.Store(c.pick(uint32(len(list))))
	return &DB{DB: mainstem.New(all), client: all}, nil
}

// parseAddress reads scheme, host and port, and nothing else. A token never
// travels in plain text beyond this machine.
func parseAddress(text string, secret bool) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		e := mainstem.Errorf(mainstem.Invalid, "address %q is not http://HOST:PORT or https://HOST:PORT", shown(text))
		if _, _, err := net.SplitHostPort(text); err == nil {
			e.Advice = "put http:// before it, or https:// for a server with TLS"
		}
		return "", e
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return "", mainstem.Errorf(mainstem.Invalid, "address %q has more than scheme, host and port", u.Redacted())
	case secret && u.Scheme == "http" && !loopback(u.Hostname()):
		return "", mainstem.Errorf(mainstem.Invalid, "address %q would send a token in plain text to another machine; use https", text)
	}
	return u.Scheme + "://" + u.Host, nil
}

// shown is an address without the user and password that can stand before its host.
func shown(text string) string {
	if i := strings.LastIndex(text, "@"); i >= 0 {
		return "…" + text[i:]
	}
	return text
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Status says what the database is and what an acknowledgement means there.
func (db *DB) Status(ctx context.Context) (*Status, error) { return db.client.status(ctx) }

// Status is what a server says of itself.
type Status struct {
	Server   string   `json:"server"`
	Engine   string   `json:"engine"`
	Synced   bool     `json:"synced"`
	Machines int      `json:"machines"`
	Loses    string   `json:"loses"`
	Weak     []string `json:"weak,omitempty"`
	Ready    bool     `json:"ready"`
	Reason   string   `json:"reason,omitempty"`
	// Node and Zone are those of a node of a cluster.
	Node string `json:"node,omitempty"`
	Zone string `json:"zone,omitempty"`
}

// server is one server, and the stream of transactions to it.
type server struct {
	address  string
	life     context.Context // of the client
	rpc      mainstemv1connect.DatabaseServiceClient
	admin    mainstemv1connect.AdminServiceClient
	idle     func() // closes connections that nobody uses
	breaker  breaker
	throttle *throttle
	lanes    lanes
	zone     atomic.Pointer[string] // where it stands, once that is known
	bearer   bearer
}

func newServer(address string, c *client) *server {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	secure := c.tls.Clone()
	secure.MinVersion = tls.VersionTLS13
	transport := &http.Transport{
		Protocols: protocols, TLSClientConfig: secure, TLSHandshakeTimeout: DialTimeout, DialContext: c.dial,
		ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout: PingAfter, PingTimeout: PingTimeout, WriteByteTimeout: PingTimeout,
			MaxReceiveBufferPerConnection: 16 << 20, MaxReceiveBufferPerStream: 4 << 20,
		},
	}
	carries := bearer{c.token}
	interceptors := append([]connect.Interceptor{carries}, c.interceptors...)
	interceptors = append(interceptors, traced{}) // innermost: another interceptor may have begun a span
	s := &server{address: address, life: c.life, idle: transport.CloseIdleConnections, throttle: newThrottle(address), bearer: carries}
	s.rpc = mainstemv1connect.NewDatabaseServiceClient(&http.Client{Transport: transport}, address,
		connect.WithAcceptCompression("gzip", nil, nil), // it would cost more time than the bytes that it saves
		connect.WithReadMaxBytes(LimitAnswer), connect.WithInterceptors(interceptors...))
	s.admin = mainstemv1connect.NewAdminServiceClient(&http.Client{Transport: transport}, address,
		connect.WithReadMaxBytes(LimitAnswer), connect.WithInterceptors(interceptors...))
	s.lanes.open = s.openLane
	return s
}

var _ mainstem.Backend = (*client)(nil)

func statusOf(address string, m *pb.StatusResponse) *Status {
	return &Status{
		Server: address, Engine: m.GetEngine(), Synced: m.GetSynced(), Machines: int(m.GetMachines()), Loses: m.GetLoses(),
		Weak: m.GetWeak(), Ready: m.GetReady(), Reason: m.GetReason(),
		Node: m.GetNode(), Zone: m.GetZone(),
	}
}
