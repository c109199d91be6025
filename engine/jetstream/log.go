package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/internal/tally"
	"github.com/mainstemdb/mainstem/journal"
)

// Log is a journal.Log in a stream of NATS JetStream.
//
// A slot is a message's sequence, less the proofs that stand before the first
// record (base). Inside, everything is counted in sequences.
type Log struct {
	cfg     Options
	name    string // of the stream
	conn    *nats.Conn
	own     bool // conn is closed with the log
	promise journal.Guarantees
	meta    map[string]string // what the stream says of its database
	news    *nats.Subscription

	// turn admits one of Append and Confirm at a time. It guards known and proven.
	turn   chan struct{}
	known  place
	proven proof
	// reconnects is how often the connection had come back when known was
	// learned: the servers may have lost what they had since (they compare
	// sequences, not hashes).
	reconnects uint64

	mu      sync.Mutex
	base    uint64    // proofs before the first record, as far as they were read
	rooted  bool      // the first record is known, and base is final
	seen    uint64    // highest sequence that is known to exist
	first   uint64    // lowest sequence that the stream still has
	bytes   uint64    // what the stream takes on each server, as last heard
	begun   uint64    // proofs and appends that were begun
	behind  time.Time // since when the stream ends before seen; zero if it does not
	untold  vain      // questions how far the stream is
	unasked vain      // other questions
	unacked vain      // appends and proofs
	moved   chan struct{}
	closed  bool

	acks tally.Histogram // nanoseconds from an append to its acknowledgement
	done chan struct{}   // closed by Close
}

var _ journal.Log = (*Log)(nil)

// Open opens the log, or makes its stream if there is none. It refuses servers
// and streams whose settings could lose or change what is acknowledged, with
// a *Refused; those that are only weak can be accepted
// (Options.AcceptWeakDurability). Damage at the beginning of the stream is a
// *Damage; the rest is checked as it is read. The context bounds opening only, and so
// does Options.Timeout, where it is longer than 10 s, or else these 10 s.
func Open(ctx context.Context, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{cfg: o, name: o.stream(), conn: o.Conn, turn: make(chan struct{}, 1), done: make(chan struct{})}
	if l.conn == nil {
		if l.conn, err = Dial(o.URL, o.NATS...); err != nil {
			return nil, err
		}
		l.own = true
	}
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Log) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, max(l.cfg.Timeout, DefaultTimeout), errTimeout)
	defer cancel()
	bad := judgeVersion(l.conn.ConnectedServerName(), l.conn.ConnectedServerVersion())
	if n := l.conn.Opts.ReconnectBufSize; n >= 0 {
		bad = append(bad, Setting{Name: "ReconnectBufSize of Options.Conn", Want: "-1 (use Dial)", Got: fmt.Sprint(n)})
	}
	if n := l.conn.MaxPayload(); n < MinPayload {
		bad = append(bad, Setting{Name: "max_payload", Want: fmt.Sprintf("%d or more (9MB)", MinPayload), Got: fmt.Sprint(n)})
	}
	if len(bad) > 0 {
		return &Refused{Stream: l.name, Settings: bad}
	}
	info, err := l.stream(ctx)
	if err != nil {
		return fmt.Errorf("jetstream: stream %s: %w", l.name, err)
	}
	servers := holders(info, l.conn)
	seen, err := look(ctx, l.cfg.Monitor, servers)
	if err != nil {
		return err
	}
	bad = append(l.cfg.differences(&info.Config), judge(servers, seen)...)
	for _, s := range bad {
		if !s.Weak || !l.cfg.AcceptWeakDurability {
			return &Refused{Stream: l.name, Settings: bad}
		}
	}
	l.promise, l.meta = promise(info.Config.Replicas, bad), info.Config.Metadata
	if l.news, err = l.conn.Subscribe(l.cfg.news(), l.hear); err != nil {
		return fmt.Errorf("jetstream: listen for news of stream %s: %w", l.name, err)
	}
	return l.root(ctx)
}

// stream finds the stream, or makes it, and tries until somebody answers.
func (l *Log) stream(ctx context.Context) (*jetstream.StreamInfo, error) {
	js, err := jetstream.New(l.conn)
	if err != nil {
		return nil, err
	}
	for {
		info, err := l.streamOnce(ctx, js)
		refused, definite := errors.AsType[*jetstream.APIError](err)
		if err == nil || definite && refused.Code != 503 {
			return info, err
		}
		l.inVain(ctx, &l.untold)
		if gone := l.rest(ctx, pause); gone != nil {
			return nil, fmt.Errorf("%w (last: %w)", gone, err)
		}
	}
}

// streamOnce may run on two nodes at once: the same settings make the same stream, and
// of two databases with one name the first is founded.
func (l *Log) streamOnce(ctx context.Context, js jetstream.JetStream) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*l.cfg.AckWait)
	defer cancel()
	s, err := js.Stream(ctx, l.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, l.cfg.wanted())
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		s, err = js.Stream(ctx, l.name)
	}
	if err != nil {
		return nil, err
	}
	return s.Info(ctx)
}

// holders are the servers that hold the stream.
func holders(info *jetstream.StreamInfo, conn *nats.Conn) []string {
	if info.Cluster == nil || info.Cluster.Leader == "" {
		return []string{conn.ConnectedServerName()}
	}
	names := []string{info.Cluster.Leader}
	for _, r := range info.Cluster.Replicas {
		names = append(names, r.Name)
	}
	return names
}

// promise is what an acknowledgement means with so many replicas.
func promise(replicas int, weak []Setting) journal.Guarantees {
	most := replicas/2 + 1
	g := journal.Guarantees{
		Engine: "jetstream", Synced: true, Machines: most, Copies: replicas,
		Loses: fmt.Sprintf("the loss of the disks of %d of the %d servers that hold the stream", most, replicas),
	}
	for _, s := range weak {
		g.Weak = append(g.Weak, s.String())
		name, _, _ := strings.Cut(s.Name, " ")
		if name == "sync_interval" || name == "storage" || name == "persist_mode" {
			g.Synced = false
		}
	}
	if len(weak) > 0 {
		g.Loses += "; and what the weak settings let go"
	}
	return g
}

// Promise is what an acknowledgement means on servers with sound settings that keep
// so many replicas.
func Promise(replicas int) journal.Guarantees { return promise(replicas, nil) }

// Guarantees says what an acknowledgement of this log means here. Settings are
// as they were when the log was opened.
func (l *Log) Guarantees() journal.Guarantees { return l.promise }

// errTimeout is the end of Options.Timeout, and not of a caller's own patience.
var errTimeout = errors.New("the log's timeout has passed")

// within bounds one call.
func (l *Log) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, l.cfg.Timeout, errTimeout)
}

// take waits for the turn. Every error is ErrFailed: nothing was begun.
func (l *Log) take(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", journal.ErrFailed, ctx.Err())
	}
	if err := l.usable(); err != nil {
		<-l.turn
		return nil, err
	}
	return func() { <-l.turn }, nil
}

var errClosed = fmt.Errorf("%w: the log is closed", journal.ErrFailed)

func (l *Log) usable() error {
	select {
	case <-l.done:
		return errClosed
	default:
		return nil
	}
}

// patience is how long tries may be in vain before another server is asked: a little
// longer than most elections. The one that this connection is to can be cut from those that have
// the stream, and be in good health otherwise: messages take one step from server to
// server, no more.
const patience = 8 * time.Second

// vain is since when tries of one kind are in vain, one after the other; zero where the
// last was not. A leader that has lost the others still answers questions for a while, and
// appends nothing; a server that stands alone still tells of the stream: so the kinds
// are told apart.
type vain struct{ first, last time.Time }

// heard notes that a try was not in vain.
func (l *Log) heard(v *vain) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*v = vain{}
}

// inVain notes that one was, unless it was its caller who gave it up, and turns to
// another server after a while of that.
func (l *Log) inVain(ctx context.Context, v *vain) {
	if !l.own || ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeout) || !l.enough(v, time.Now()) || len(l.conn.Servers()) < 2 {
		return
	}
	_ = l.conn.ForceReconnect() // unless it is closed, which the next try hears
}

// enough counts a try in vain, and reports whether those are enough of them.
func (l *Log) enough(v *vain, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(v.last) > patience+8*l.cfg.AckWait { // the longest that a try takes
		v.first = now
	}
	v.last = now
	if now.Sub(v.first) > patience {
		l.untold, l.unasked, l.unacked = vain{}, vain{}, vain{}
		return true
	}
	return false
}

// rest waits before the next try; the reason it gives up, if it does.
func (l *Log) rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return l.usable()
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return errClosed
	}
}

// Trim keeps everything: nobody can delete from the stream. A log is trimmed
// by a new generation, and by deleting the stream of the old one.
func (l *Log) Trim(ctx context.Context, _ uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.usable()
}

// Close waits for a running Append or Confirm to end, without another try, and
// gives up the connection if it is the log's own. Closing twice is a no-op.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.done)
	l.mu.Unlock()
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	var err error
	if l.news != nil && !l.conn.IsClosed() {
		err = l.news.Unsubscribe()
	}
	if l.own {
		l.conn.Close()
	}
	return err
}

// Figures is what this log has counted since it was opened, and what its
// stream takes on each server as last heard.
func (l *Log) Figures() journal.Figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	return journal.Figures{Syncs: l.acks.Counts(), Bytes: int64(l.bytes)}
}
