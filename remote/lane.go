package remote

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

const (
	// frameBytes is about the most bytes of transactions in one message; a single
	// larger one goes alone.
	frameBytes = 1 << 20
	// frameParts is about the most parts of one message, of which a server takes twice as
	// many.
	frameParts = 1 << 15
	// frames is how many messages may be without any answer: one that the server
	// writes to its disk, one that waits there, and one on its way. What comes
	// meanwhile gathers here, so that messages grow with the load by themselves.
	frames = 3
	// overtake is how long a message waits at most for an answer to those before it.
	// Transactions that take long, in a group that is stuck for example, hold up the
	// others by no more than this.
	overtake = 20 * time.Millisecond
	// stale is how long a transaction may wait to be sent to a server that refuses: it
	// would find no place there, and its caller is told so while that is still news.
	stale = 20 * time.Millisecond
	// pressure is how long a refusal counts. Until then one message is under way at a
	// time: each is answered at once, in part at least, and what waits here can be told
	// sooner than what waits in sockets.
	pressure = 500 * time.Millisecond
)

// lane is a stream of transactions to a server. What waits while messages are under
// way goes together with the next.
type lane struct {
	address  string
	bearer   bearer
	throttle *throttle
	stream   *connect.BidiStreamForClient[pb.SubmitRequest, pb.SubmitResponse]
	cancel   context.CancelFunc
	work     sync.WaitGroup
	wake     chan struct{} // something waits, or the lane has ended

	mu      sync.Mutex
	waiting []*submission
	sent    map[uint64]*submission
	last    uint64
	silent  int         // messages without any answer
	sentAt  time.Time   // of the last message
	refused time.Time   // when the server last refused something for want of a place
	later   *time.Timer // knocks when the next message has waited for long enough
	leaving bool        // the server takes nothing more, and answers what it has
	failed  error       // why it has ended
}

// frame is one message with transactions.
type frame struct{ answered bool }

// submission is one transaction that waits for its answer.
type submission struct {
	message *pb.Submission
	size    int
	parts   int              // messages within the message
	since   time.Time        // waiting to be sent
	answer  chan *pb.Outcome // closed without an answer when the lane ends
	in      *frame           // the message that it was sent in, or nil; under the lane's mu
}

// openLane opens a stream and waits until the server says that it is there: until
// then nothing was sent, so a server that is away is no riddle.
func (s *server) openLane(ctx context.Context) (*lane, error) {
	if err := s.breaker.pass(s.address); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(s.life)
	stop := context.AfterFunc(ctx, cancel)
	stream := s.rpc.Submit(life)
	_ = stream.Send(nil) // headers only; what failed is told by Receive
	_, err := stream.Receive()
	alive := stop()
	if err == nil && !alive {
		err = context.Cause(ctx)
	}
	s.breaker.tell(ctx, word(err))
	if err != nil {
		cancel()
		return nil, unreached(s.address, err)
	}
	l := &lane{
		address: s.address, bearer: s.bearer, throttle: s.throttle, stream: stream, cancel: cancel,
		wake: make(chan struct{}, 1), sent: map[uint64]*submission{},
	}
	l.later = time.AfterFunc(overtake, l.knock)
	l.work.Go(l.send)
	l.work.Go(l.receive)
	return l, nil
}

// unreached is why a server could not be asked: its own word, or that of the network.
func unreached(address string, err error) error {
	if said := wire.Said(err, mainstem.Unavailable); said != nil {
		return said
	}
	e := wire.Failure(err, mainstem.Unavailable)
	if e.Code == mainstem.Cancelled { // it was this client's own patience that ended
		e.Code = mainstem.Unavailable
	}
	e.Message = "server " + address + ": " + e.Message
	return e
}

func (l *lane) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed == nil && !l.leaving
}

// wait returns when nothing of the lane runs any more.
func (l *lane) wait() { l.work.Wait() }

// errTimeout is the end of the client's own patience.
var errTimeout = errors.New("the client's timeout has passed")

// submit sends a transaction and waits for its answer, at most for a timeout.
func (l *lane) submit(ctx context.Context, t *mainstem.Transaction, timeout time.Duration) (*mainstem.Receipt, error) {
	if err := l.throttle.pass(); err != nil {
		return nil, err
	}
	one := &submission{message: &pb.Submission{Transaction: wire.Transaction(t)}, size: t.Size(), parts: partsOf(t), answer: make(chan *pb.Outcome, 1)}
	if line := traceparent.Of(ctx); t.Meta.Trace == "" && len(t.Meta.Actor)+len(t.Meta.Request)+len(line) <= mainstem.LimitMeta {
		one.message.Transaction.Trace = line
	}
	if until, ok := ctx.Deadline(); ok {
		one.message.Timeout = max(1, int64(time.Until(until)))
	}
	patience := time.NewTimer(timeout)
	defer patience.Stop()
	if err := l.queue(one); err != nil {
		return nil, err
	}
	select {
	case o, answered := <-one.answer:
		if !answered {
			return nil, l.lost(t, one)
		}
		return l.told(t, o)
	case <-patience.C:
		return nil, l.abandon(t, one, errTimeout)
	case <-ctx.Done():
		return nil, l.abandon(t, one, context.Cause(ctx))
	}
}

// told is what the server answered.
func (l *lane) told(t *mainstem.Transaction, o *pb.Outcome) (*mainstem.Receipt, error) {
	if o.GetError() != nil {
		return nil, wire.ParseError(o.GetError(), mainstem.Undecided)
	}
	r, err := wire.ParseReceipt(o.GetReceipt())
	if err == nil && r == nil {
		err = errors.New("no receipt")
	}
	if err != nil {
		return nil, mainstem.Errorf(mainstem.Undecided, "server %s answered %s in group %q with something else: %w", l.address, t.ID, t.Group, err)
	}
	return r, nil
}

// queue lets a transaction wait to be sent.
func (l *lane) queue(one *submission) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil || l.leaving {
		return l.unsent()
	}
	if n := len(l.waiting) + len(l.sent); n >= LimitWaiting {
		return mainstem.Errorf(mainstem.Overloaded, "%d transactions of this client wait for an answer of %s; the limit is %d", n, l.address, LimitWaiting)
	}
	one.since = time.Now()
	l.waiting = append(l.waiting, one)
	l.knock()
	return nil
}

// pressed reports whether the server has refused something lately. Under mu.
func (l *lane) pressed(now time.Time) bool { return now.Sub(l.refused) < pressure }

// shed refuses, while the server does, what has waited for too long: the first to
// come are the first to go, since what comes late is still wanted. Under mu.
func (l *lane) shed(now time.Time) {
	if !l.pressed(now) {
		return
	}
	n := 0
	for n < len(l.waiting) && now.Sub(l.waiting[n].since) > stale {
		l.waiting[n].answer <- l.throttle.outcome
		n++
	}
	l.waiting = slices.Delete(l.waiting, 0, n)
	l.throttle.tell(n, 0)
}

func (l *lane) knock() {
	select {
	case l.wake <- struct{}{}:
	default: // it has been knocked already
	}
}

// abandon stops waiting. What was not sent never will be.
func (l *lane) abandon(t *mainstem.Transaction, one *submission, why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.in != nil {
		return mainstem.Errorf(mainstem.Undecided, "no answer yet from %s to %s in group %q: %w", l.address, t.ID, t.Group, why)
	}
	for i, w := range l.waiting {
		if w == one {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			break
		}
	}
	e := mainstem.Errorf(mainstem.Cancelled, "%s in group %q was given up before it was sent: %w", t.ID, t.Group, why)
	e.Advice = "this call has done nothing; repeat it with the same ID if the work is still wanted"
	if t.Attempt > 1 { // what the attempts before it left open stays open
		e.Code = mainstem.Undecided
	}
	return e
}

// lost is the fate of a transaction whose lane has ended.
func (l *lane) lost(t *mainstem.Transaction, one *submission) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.in != nil {
		return mainstem.Errorf(mainstem.Undecided, "the connection to %s ended before the answer to %s in group %q: %w", l.address, t.ID, t.Group, l.failed)
	}
	return l.unsent()
}

// unsent is why a transaction was not sent. Under mu.
func (l *lane) unsent() error {
	if l.leaving {
		return mainstem.Errorf(mainstem.Unavailable, "server %s is going down", l.address)
	}
	return unreached(l.address, l.failed)
}

// send sends what waits until the lane has ended.
func (l *lane) send() {
	for range l.wake {
		for {
			message, ended := l.next()
			if ended {
				_ = l.stream.CloseRequest() // the end of the stream is what counts
				return
			}
			if message == nil {
				break
			}
			if err := l.stream.Send(message); err != nil {
				if !errors.Is(err, io.EOF) { // at EOF the server has said why, which receive hears
					l.end(err)
				}
				return
			}
		}
	}
}

// next takes what waits, as much as fits one message. It says that the lane has
// ended, or that nothing more is to come of it.
func (l *lane) next() (message *pb.SubmitRequest, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	most, patience := frames, overtake
	if l.pressed(now) {
		most, patience = 1, pressure // what is sent to wait there only gets old
	}
	l.shed(now)
	if l.failed != nil || len(l.waiting) == 0 {
		return nil, l.failed != nil || l.leaving && len(l.sent) == 0
	}
	if wait := patience - now.Sub(l.sentAt); l.silent >= most && wait > 0 {
		l.later.Reset(min(wait, overtake)) // or to shed
		return nil, false
	}
	message = &pb.SubmitRequest{Submissions: make([]*pb.Submission, 0, len(l.waiting))}
	size, parts, n, in := 0, 0, 0, new(frame)
	for _, one := range l.waiting {
		size, parts = size+one.size, parts+one.parts
		if (size > frameBytes || parts > frameParts) && n > 0 {
			break
		}
		n++
		l.last++
		one.message.Number, one.in = l.last, in
		l.sent[l.last] = one
		message.Submissions = append(message.Submissions, one.message)
	}
	l.waiting = slices.Delete(l.waiting, 0, n)
	l.silent++
	l.sentAt = now
	return message, false
}

// receive hands out answers until the stream ends.
func (l *lane) receive() {
	for {
		m, err := l.stream.Receive()
		if err != nil {
			l.end(err)
			_ = l.stream.CloseResponse() // as above
			return
		}
		l.hand(m.GetOutcomes())
		if m.GetLeaving() {
			l.retire()
		}
	}
}

// retire sends nothing more: who waits goes elsewhere, who was sent is answered.
func (l *lane) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving = true
	for _, one := range l.waiting {
		close(one.answer)
	}
	l.waiting = nil
	l.knock()
}

// hand gives answers to those who wait for them.
func (l *lane) hand(outcomes []*pb.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := 0
	for _, o := range outcomes {
		if o.GetError().GetCode() != mainstem.Overloaded.String() {
			taken++
		}
		one, ok := l.sent[o.GetNumber()]
		if !ok {
			continue // a server that answers twice
		}
		delete(l.sent, o.GetNumber())
		if !one.in.answered {
			one.in.answered = true
			l.silent--
		}
		one.answer <- o
	}
	l.throttle.tell(len(outcomes), taken)
	if taken < len(outcomes) {
		l.refused = time.Now()
		l.shed(l.refused)
	}
	if len(l.waiting) > 0 || l.leaving {
		l.knock()
	}
}

// end ends the lane: who waits is told.
func (l *lane) end(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return
	}
	l.failed = errors.Join(why)
	for _, one := range l.waiting {
		close(one.answer)
	}
	for _, one := range l.sent {
		close(one.answer)
	}
	l.waiting, l.sent = nil, nil
	l.later.Stop()
	l.cancel()
	l.knock()
}
