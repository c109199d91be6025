package server

import (
	"context"
	"slices"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// CallTransaction is the call in Figures for the transactions of Submit streams,
// each of which is counted, and CallFeed that for GET /feed.
const (
	CallTransaction = "transaction"
	CallFeed        = "feed"
)

// Figures are what a Server has counted since it was made, and what it holds.
type Figures struct {
	// Calls are the calls of the contract by name, CallTransaction and CallFeed.
	// A stream is one call for as long as it lasts.
	Calls []CallFigures
	// Views and Feeds are how many are open, of LimitViews and LimitFeeds.
	Views, Feeds int64
	// Transactions is how many may be under way now: LimitCommits, or fewer while
	// they are slow.
	Transactions int64
	// Draining is true from the moment Drain is called.
	Draining bool
}

// CallFigures are those of one call.
type CallFigures struct {
	Call    string
	Running int64
	// Done ended without an error, and Failed with one, by its code. What could not
	// be read as a message of the contract never was a call.
	Done   uint64
	Failed map[mainstem.Code]uint64
}

// Figures tells them.
func (s *Server) Figures() Figures {
	f := Figures{Views: s.views.taken.Load(), Feeds: s.feeds.taken.Load(), Transactions: s.commits.places(), Draining: s.leaving.Err() != nil}
	for _, name := range slices.Sorted(slices.Values(append(slices.Clone(methods), CallTransaction, CallFeed))) {
		t := s.counted[name]
		one := CallFigures{Call: name, Running: t.running.Load(), Done: t.ended[0].Load(), Failed: map[mainstem.Code]uint64{}}
		for _, code := range mainstem.Codes() {
			one.Failed[code] = t.ended[code].Load()
		}
		f.Calls = append(f.Calls, one)
	}
	return f
}

// tally counts one call: how often it ended, by code, 0 for done.
type tally struct {
	running atomic.Int64
	ended   []atomic.Uint64
}

func (t *tally) begin() { t.running.Add(1) }

func (t *tally) end(code mainstem.Code) {
	t.running.Add(-1)
	t.ended[code].Add(1)
}

// newTallies are those of every call there is. The map does not change.
func newTallies() map[string]*tally {
	all := map[string]*tally{}
	for _, name := range append(slices.Clone(methods), CallTransaction, CallFeed) {
		all[name] = &tally{ended: make([]atomic.Uint64, len(mainstem.Codes())+1)}
	}
	return all
}

// endOf is the code that a call ended with, 0 for none. A client that goes ends its
// streams: that is how a feed ends, and a call is cancelled.
func endOf(err error) mainstem.Code {
	if code := mainstem.CodeOf(err); err == nil || code != 0 {
		return code
	}
	return wire.Failure(err, mainstem.Cancelled).Code
}

// outcomeOf is the same of one answer to a transaction.
func outcomeOf(o *pb.Outcome) (code mainstem.Code) {
	if o.GetError() != nil {
		_ = code.UnmarshalText([]byte(o.GetError().GetCode())) // written by this program
	}
	return code
}

// counting counts every call of the contract, in front of all other interceptors.
type counting struct{ *Server }

func (c counting) of(spec connect.Spec) *tally {
	return c.counted[spec.Procedure[len("/"+serviceName+"/"):]]
}

// WrapUnary counts calls of one message.
func (c counting) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		t := c.of(r.Spec())
		t.begin()
		answer, err := next(ctx, r)
		t.end(endOf(err))
		return answer, err
	}
}

// WrapStreamingHandler counts streams.
func (c counting) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		t := c.of(conn.Spec())
		t.begin()
		err := next(ctx, conn)
		t.end(endOf(err))
		return err
	}
}

// WrapStreamingClient is for clients, which this is not.
func (c counting) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
