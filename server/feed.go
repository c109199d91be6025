package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// feed is Changes for a client that has HTTP and nothing else: a line of JSON for
// each change, an empty line as a sign of life. Where the feed ends with an error
// after its first line, the last line is that error. Rights and limits are those
// of Changes.
func (s *Server) feed(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, mainstem.Errorf(mainstem.Invalid, "the query of the feed's URL: %w", err)) // a filter must not be left out
		return
	}
	from, to, err := parseFeed(query)
	if err != nil {
		refuse(w, err)
		return
	}
	if r.Method == http.MethodHead {
		openLines(w)
		return
	}
	counted := s.counted[CallFeed]
	counted.begin()
	if to != nil {
		counted.end(endOf(s.followLines(w, r, *to)))
		return
	}
	counted.end(endOf(s.stream(w, r, from)))
}

// stream answers with a feed, and tells how that ended.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, from mainstem.From) error {
	b, leave, err := s.call(r.Context())
	if err != nil {
		refuse(w, err)
		return err
	}
	leave() // as in Changes
	out := &lines{to: w, control: http.NewResponseController(w)}
	if err = s.follow(r.Context(), b, from, out.batch); err != nil && !out.broken {
		out.fail(err)
	}
	return err
}

// parseFeed reads the query of a feed, or of a follower's. What it does not know is an
// error: a misspelt filter must not be left out.
func parseFeed(q url.Values) (from mainstem.From, to *mainstem.Subscription, err error) {
	m := &pb.ChangesRequest{Match: &pb.Match{}, Drain: true}
	for name, values := range q {
		if len(values) > 1 && name != "group" {
			return from, nil, mainstem.Errorf(mainstem.Invalid, "%q is given %d times; give it once", name, len(values))
		}
		switch name {
		case "after":
			m.After = values[0]
		case "group":
			m.Match.Groups = values
		case "prefix":
			m.Match.NamePrefix = values[0]
		case "follow":
			follow, err := strconv.ParseBool(values[0])
			if err != nil {
				return from, nil, mainstem.Errorf(mainstem.Invalid, "follow is %.40q; it is true or false", values[0])
			}
			m.Drain = !follow
		case "follower":
			m.Follower = values[0]
		default:
			return from, nil, mainstem.Errorf(mainstem.Invalid,
				"a feed has no parameter %.40q; it has after, group (more than once for several), prefix, follow and follower", name)
		}
	}
	if !q.Has("follower") {
		from, err = wire.ParseFrom(m)
		return from, nil, err
	}
	if q.Has("follow") && m.GetDrain() {
		return from, nil, mainstem.Errorf(mainstem.Invalid, "follow is false, and a follower waits for what comes; leave one of both out")
	}
	like, err := wire.ParseSubscription(&pb.FollowRequest{Follower: m.GetFollower(), Match: m.GetMatch(), After: m.GetAfter()})
	return from, &like, err
}

// lines writes a feed as lines of JSON.
type lines struct {
	to      http.ResponseWriter
	control *http.ResponseController
	open    bool
	broken  bool // nobody reads any more
}

// batch writes a batch with its token. One that has passed over what did not match is
// a line with nothing else.
func (l *lines) batch(m *pb.ChangesResponse) error {
	token := []byte(`"token":` + strconv.Quote(m.GetToken()))
	switch {
	case m.GetHeartbeat():
		return l.write([]byte{'\n'})
	case len(m.GetChanges()) == 0:
		return l.write(slices.Concat([]byte{'{'}, token, []byte("}\n")))
	}
	return l.changes(m.GetChanges(), token)
}

// changes writes a line for each change, with something at the end of the last.
func (l *lines) changes(all []*pb.Change, end []byte) error {
	var text []byte
	for i, c := range all {
		line, err := marshal(c)
		if err != nil {
			return err
		}
		if i == len(all)-1 {
			line = slices.Concat(line[:len(line)-1], []byte{','}, end, []byte{'}'})
		}
		text = append(append(text, line...), '\n')
	}
	return l.write(text)
}

func (l *lines) write(text []byte) error {
	if !l.open {
		l.open = true
		openLines(l.to)
	}
	_, err := l.to.Write(text)
	if err == nil {
		err = l.control.Flush()
	}
	l.broken = err != nil
	return err
}

// fail ends the feed: with a status, or, where one was sent already, with a line.
func (l *lines) fail(err error) {
	if !l.open {
		refuse(l.to, err)
		return
	}
	_ = l.write(slices.Concat([]byte(`{"error":`), told(err), []byte("}\n"))) // whoever is gone cannot be told
}

func openLines(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
}

// refuse answers with an error and no line.
func refuse(w http.ResponseWriter, err error) {
	answer(w, statusOf(wire.Typed(err, mainstem.Unavailable).Code), err)
}

// answer is the whole answer to a request that failed.
func answer(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(told(err), '\n')) // whoever is gone cannot be told
}

// told is an error as JSON, its advice included.
func told(err error) []byte {
	m := wire.Error(err, mainstem.Unavailable)
	if m.GetAdvice() == "" {
		m.Advice = wire.Typed(err, mainstem.Unavailable).Help()
	}
	text, _ := marshal(m) // strings in UTF-8 always can
	return text
}

// statusOf sorts codes into what an HTTP client does next.
func statusOf(c mainstem.Code) int {
	switch c {
	case mainstem.Invalid, mainstem.WrongGroup, mainstem.TooLarge:
		return http.StatusBadRequest
	case mainstem.Denied:
		return http.StatusForbidden
	case mainstem.Trimmed, mainstem.HistoryLost:
		return http.StatusGone
	case mainstem.Overloaded:
		return http.StatusTooManyRequests
	case mainstem.Unavailable, mainstem.Stopped, mainstem.Cancelled:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// follow passes a feed on to write until the feed, the client or the server ends.
func (s *Server) follow(ctx context.Context, b mainstem.Backend, from mainstem.From, write func(*pb.ChangesResponse) error) error {
	if err := s.feeds.take(1); err != nil {
		return err
	}
	defer s.feeds.free(1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.leaving, func() { cancel(errLeaving) })
	defer stop()
	pulse := startPulse(func() error { return write(&pb.ChangesResponse{Heartbeat: true}) }, cancel)
	defer pulse.stop()
	for batch, err := range b.Changes(ctx, from) {
		if s.leaving.Err() != nil {
			err = errLeaving
		}
		if err != nil {
			return err
		}
		if err := pulse.send(func() error { return write(wire.Batch(batch)) }); err != nil {
			return err
		}
	}
	if s.leaving.Err() != nil {
		return errLeaving
	}
	return nil
}
