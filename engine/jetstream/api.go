package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pause is between two tries of anything.
const pause = 20 * time.Millisecond

// errAbsent is an answer that the stream has no such message.
var errAbsent = errors.New("jetstream: no such message")

// refusal is the part of every answer that says what went wrong.
type refusal struct {
	Error *jetstream.APIError `json:"error"`
}

// failed is what an answer says went wrong, or nil.
func (r *refusal) failed() *jetstream.APIError { return r.Error }

// ask sends a request to the JetStream API until it is answered. Only the
// leader of a stream answers, so in a change of leaders nobody does.
func (l *Log) ask(ctx context.Context, what, body string, into interface{ failed() *jetstream.APIError }) error {
	wait, kind := l.cfg.AckWait, &l.unasked
	if what == "INFO" {
		kind = &l.untold
	}
	for {
		err := l.askOnce(ctx, wait, what, body, into)
		if errors.Is(err, context.DeadlineExceeded) {
			// A large answer on a slow way needs longer than a small one.
			wait = min(2*wait, 8*l.cfg.AckWait)
		}
		if err == nil {
			refused := into.failed()
			if refused == nil || refused.Code != 503 {
				l.heard(kind)
			}
			switch {
			case refused == nil:
				return nil
			case refused.ErrorCode == jetstream.JSErrCodeMessageNotFound:
				return errAbsent
			case refused.ErrorCode == jetstream.JSErrCodeStreamNotFound:
				return l.damage(1, "the stream is gone")
			case refused.Code != 503:
				return fmt.Errorf("jetstream: %s of stream %s: %w", what, l.name, refused)
			}
			err = refused
		}
		l.inVain(ctx, kind)
		if gone := l.rest(ctx, pause); gone != nil {
			return fmt.Errorf("jetstream: %s of stream %s: %w (last: %w)", what, l.name, gone, err)
		}
	}
}

func (l *Log) askOnce(ctx context.Context, wait time.Duration, what, body string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answer, err := l.conn.RequestWithContext(ctx, "$JS.API.STREAM."+what+"."+l.name, []byte(body))
	if err != nil {
		return err
	}
	return json.Unmarshal(answer.Data, into)
}

// last is the highest sequence that the leader of the stream has.
func (l *Log) last(ctx context.Context) (uint64, error) {
	var info struct {
		refusal
		State struct {
			First uint64 `json:"first_seq"`
			Last  uint64 `json:"last_seq"`
			Bytes uint64 `json:"bytes"`
		} `json:"state"`
	}
	if err := l.ask(ctx, "INFO", "", &info); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first, l.bytes = info.State.First, info.State.Bytes
	switch {
	case info.State.Last >= l.seen:
		l.behind = time.Time{}
	case l.behind.IsZero():
		l.behind = time.Now()
	case time.Since(l.behind) > 2*l.cfg.Timeout:
		return 0, l.damageHeld(l.seen, fmt.Sprintf("it was there, and the stream ends at message %d", info.State.Last))
	}
	return info.State.Last, nil
}

// saw notes that the stream has a sequence, and wakes who waits for it.
func (l *Log) saw(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.seen {
		l.seen = seq
		l.wake()
	}
}

// tail is the highest sequence that is known to exist. A leader that is about
// to be replaced may know less than this log has seen already.
func (l *Log) tail(ctx context.Context) (uint64, error) {
	last, err := l.last(ctx)
	if err != nil {
		return 0, err
	}
	l.saw(last)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen, nil
}

// get asks for one message; errAbsent if the leader does not have it.
func (l *Log) get(ctx context.Context, seq uint64) (message, error) {
	var answer struct {
		refusal
		Message *struct {
			Subject  string `json:"subject"`
			Sequence uint64 `json:"seq"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	err := l.ask(ctx, "MSG.GET", fmt.Sprintf(`{"seq":%d}`, seq), &answer)
	switch m := answer.Message; {
	case err != nil:
		return message{}, err
	case m == nil || m.Sequence != seq || m.Subject != l.cfg.subject():
		return message{}, l.damage(seq, "the stream answers with another message")
	default:
		decoded, err := decode(l.name, m.Data)
		if err != nil && !errors.Is(err, ErrVersion) {
			err = l.damage(seq, err.Error())
		}
		return decoded, err
	}
}

// holeLooks is how often a message must be missing, with pauses of holePause,
// before it counts as gone: while leaders change, two servers may answer.
const (
	holeLooks = 10
	holePause = 100 * time.Millisecond
)

// must returns a message that is known to exist. One that is missing while the
// stream goes on behind it is a hole (L2, L12).
func (l *Log) must(ctx context.Context, seq uint64) (message, error) {
	missing := 0
	for {
		m, err := l.get(ctx, seq)
		if !errors.Is(err, errAbsent) {
			return m, err
		}
		last, err := l.last(ctx)
		if err != nil {
			return message{}, err
		}
		if last >= seq {
			missing++
		}
		if missing == holeLooks {
			return message{}, l.damage(seq, "it is missing, and the stream goes on behind it (L2)")
		}
		if err := l.rest(ctx, holePause); err != nil {
			return message{}, fmt.Errorf("jetstream: message %d of stream %s, which ends at %d: %w", seq, l.name, last, err)
		}
	}
}

func (l *Log) damage(seq uint64, what string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.damageHeld(seq, what)
}

// damageHeld is damage, under mu.
func (l *Log) damageHeld(seq uint64, what string) error {
	d := &Damage{Stream: l.name, Sequence: seq, What: what}
	if l.rooted && seq > l.base {
		d.Slot = seq - l.base
	}
	return d
}

// root reads on to the first record, so that slots can be told from sequences.
func (l *Log) root(ctx context.Context) error {
	last, err := l.tail(ctx)
	if err != nil {
		return err
	}
	for {
		l.mu.Lock()
		base, rooted, first := l.base, l.rooted, l.first
		l.mu.Unlock()
		if last > 0 && first > 1 {
			return l.damage(first-1, fmt.Sprintf("the stream begins with message %d: what was before it was removed", first))
		}
		if rooted || base == last {
			return nil
		}
		m, err := l.must(ctx, base+1)
		if err != nil {
			return err
		}
		if m.names.Index != 0 {
			return l.damage(base+1, "the first record names a predecessor, which the stream does not have (L2)")
		}
		l.mu.Lock()
		if m.kind == kindRecord {
			l.rooted = true
		} else {
			l.base = max(l.base, base+1)
		}
		l.mu.Unlock()
	}
}

// slotOf is the slot of a message; 0 for a proof before the first record.
func (l *Log) slotOf(seq uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rooted || seq <= l.base {
		return 0
	}
	return seq - l.base
}

// sequenceOf is where a slot's message stands.
func (l *Log) sequenceOf(slot uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slot + l.base
}

// hear takes the servers' word that a message was stored as a hint to look.
func (l *Log) hear(*nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake()
}

// wake lets every waiter look again. Under mu.
func (l *Log) wake() {
	if l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}
