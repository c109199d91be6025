package server

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
)

// Limits of a server (L10). A request beyond one is refused at once.
const (
	// LimitMessage is the most bytes of one message of a client, decompressed.
	LimitMessage = 4 << 20
	// LimitCommits is the most transactions under way; while they take longer than
	// 200 ms on average, there may be fewer, down to 256 and two for each stream. A
	// Submit stream may have as many as are free, which is half if it is alone; those
	// that come as calls of their own are one stream together. More are Overloaded.
	LimitCommits = 16384
	// LimitViews is the most views held open at once, and LimitFeeds the most
	// feeds, of which a follower's stream has one for each shard; more are Overloaded.
	LimitViews = 4096
	LimitFeeds = 4096
	// LimitQueries is the most questions of one Read.
	LimitQueries = 1000
	// LimitAnswers is about the most bytes of the answers of one Read, and of those
	// that open a View; more are TooLarge.
	LimitAnswers = 16 << 20
	// ViewIdle is how long a held view may wait for the next question. It keeps
	// old state alive, and a client that is gone is not always noticed at once.
	ViewIdle = time.Minute
	// Heartbeat is the longest silence of a feed that has nothing new.
	Heartbeat = 10 * time.Second
)

// compressFrom is the size, in bytes, from which an answer is compressed for a
// client that asks for that.
const compressFrom = 4 << 10

// Option sets up a Server. The set is closed.
type Option interface{ apply(*Server) }

type option func(*Server)

func (o option) apply(s *Server) { o(s) }

// Guard gives the Backend that a request may use: the database itself, or one
// that checks the rights of whom the context names. It is asked once per call, and
// once per stream.
func Guard(guard func(ctx context.Context, b mainstem.Backend) (mainstem.Backend, error)) Option {
	return option(func(s *Server) { s.guard = guard })
}

// Intercept puts interceptors around every call, the first outermost.
func Intercept(i ...connect.Interceptor) Option {
	return option(func(s *Server) { s.interceptors = append(s.interceptors, i...) })
}

// Promise says what an acknowledgement means here now, for Status and /readyz.
func Promise(now func() journal.Guarantees) Option {
	return option(func(s *Server) { s.promise = now })
}

// Node names the node of a cluster that this is, and the zone where it stands, for
// Status: clients can prefer servers of their own zone.
func Node(name, zone string) Option { return option(func(s *Server) { s.node, s.zone = name, zone }) }

// Health is asked whether the database still runs: nil, or why it has stopped.
func Health(err func() error) Option { return option(func(s *Server) { s.failed = err }) }

// Server is an http.Handler before a Backend. It does not close the Backend.
type Server struct {
	backend      mainstem.Backend
	guard        func(context.Context, mainstem.Backend) (mainstem.Backend, error)
	interceptors []connect.Interceptor
	promise      func() journal.Guarantees
	node, zone   string
	failed       func() error
	admin        *admin
	mux          *http.ServeMux

	counted      map[string]*tally
	commits      pool
	single       *share // of transactions that come as calls of their own
	views, feeds places
	calls        sync.WaitGroup // calls that are to end by themselves
	mu           sync.RWMutex   // over draining and the first Add of a call
	draining     bool
	leaving      context.Context // ends when draining begins
	leave        context.CancelCauseFunc
}

// New makes a Server before b.
func New(b mainstem.Backend, opts ...Option) *Server {
	s := &Server{
		backend: b, mux: http.NewServeMux(), counted: newTallies(), failed: func() error { return nil },
		promise: func() journal.Guarantees { return journal.Guarantees{} },
		guard:   func(_ context.Context, b mainstem.Backend) (mainstem.Backend, error) { return b, nil },
		views:   places{most: LimitViews, noun: "views"}, feeds: places{most: LimitFeeds, noun: "feeds"},
	}
	s.commits.most.Store(LimitCommits)
	s.single = s.commits.open()
	for _, o := range opts {
		o.apply(s)
	}
	s.leaving, s.leave = context.WithCancelCause(context.Background())
	handler := []connect.HandlerOption{
		connect.WithReadMaxBytes(LimitMessage), connect.WithCompressMinBytes(compressFrom), connect.WithCodec(readable{}), connect.WithCodec(packed{}), connect.WithInterceptors(append([]connect.Interceptor{counting{s}}, s.interceptors...)...),
	}
	path, calls := mainstemv1connect.NewDatabaseServiceHandler(service{s}, handler...)
	s.mux.Handle(path, guided(calls))
	s.admin.mount()
	s.mux.Handle(grpchealth.NewHandler(checker{s}))
	reflector := grpcreflect.NewStaticReflector(serviceName)
	s.mux.Handle(grpcreflect.NewHandlerV1(reflector))
	s.mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector))
	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.mux.HandleFunc("GET /feed", s.feed)
	s.mux.HandleFunc("/", nowhere)
	return s
}

// ServeHTTP answers one request. What it does is below the span that a traceparent
// header names.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if line := r.Header.Get(traceparent.Header); line != "" {
		r = r.WithContext(traceparent.Into(r.Context(), line))
	}
	if feeds[r.URL.Path] {
		r = r.WithContext(withWriter(r.Context(), w))
		defer partWhen(s.leaving, w)()
	}
	s.mux.ServeHTTP(w, r)
}

// Drain makes the server leave gracefully: from now on it says that it is not
// ready and refuses new calls, feeds end, and it waits until the calls that run
// have ended, or ctx has. Held views are ended with the streams they are on.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.leave(errLeaving)
	done := make(chan struct{})
	go func() { s.calls.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return mainstem.Errorf(mainstem.Cancelled, "draining the server, calls still run: %w", context.Cause(ctx))
	}
}

// errLeaving is the answer of a server that drains. Nothing was done.
var errLeaving = &mainstem.Error{
	Code: mainstem.Unavailable, Message: "this server is going down", Advice: "repeat; another server, or this one after its restart, will answer",
}

// call begins a call of one client: the Backend that it may use, and what ends
// the call.
func (s *Server) call(ctx context.Context) (b mainstem.Backend, leave func(), err error) {
	if err = s.enter(); err != nil {
		return nil, nil, err
	}
	if b, err = s.guard(ctx, s.backend); err != nil {
		s.calls.Done()
		return nil, nil, err
	}
	return b, s.calls.Done, nil
}

// enter counts a call, unless the server drains.
func (s *Server) enter() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.draining {
		return errLeaving
	}
	s.calls.Add(1)
	return nil
}

// serviceName is the one service of the contract.
const serviceName = mainstemv1connect.DatabaseServiceName

// service is the Server as the generated handler wants it, apart so that the
// Server's own methods stay few.
type service struct{ *Server }

// places bounds how many of something are there at once.
type places struct {
	taken atomic.Int64
	most  int64
	noun  string
}

// take takes so many places, or says that there are none.
func (p *places) take(n int64) error {
	if p.taken.Add(n) > p.most {
		p.taken.Add(-n)
		return mainstem.Errorf(mainstem.Overloaded, "%d %s are open; the limit is %d", p.taken.Load(), p.noun, p.most)
	}
	return nil
}

func (p *places) free(n int64) { p.taken.Add(-n) }
