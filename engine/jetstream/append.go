package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/journal"
)

// Append publishes record as the successor of after, which is a head of this
// log's chain: one message that names after by index and hash, and the last
// sequence that the stream should have.
//
// The server's comparison saves waste and is not believed: after anything but
// an acknowledgement at the expected sequence, the stream is read from there.
// The first record that names after is its successor (L2): this one, told by
// its hash, or another, and then the outcome is ErrLost. A copy of this record
// that arrives late is a void. So what is not known is sent again, until
// Options.Timeout; ErrUnknown says that no answer came by then, and appending
// the very same record after the same head again is how to ask.
//
// Records of different writers differ, or they are one record to this log; a
// record that says who wrote it, and when, does.
func (l *Log) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	if len(record) > journal.MaxRecord {
		return journal.Head{}, fmt.Errorf("%w: the record has %d bytes, the limit is %d", journal.ErrFailed, len(record), journal.MaxRecord)
	}
	release, err := l.take(ctx)
	if err != nil {
		return journal.Head{}, err
	}
	defer release()
	ctx, cancel := l.within(ctx)
	defer cancel()
	number := l.begin()
	p, err := l.stand(ctx, after)
	if err != nil {
		return journal.Head{}, outcome(false, err)
	}
	head := journal.Head{Index: after.Index + 1, Hash: journal.Sum(record)}
	m := message{kind: kindRecord, names: after, record: record}
	seq, err := l.push(ctx, p, m.encode(l.name), head.Hash)
	if err != nil {
		return journal.Head{}, err
	}
	if after.Index == 0 {
		l.mu.Lock()
		l.base, l.rooted = seq-1, true
		l.mu.Unlock()
	}
	head.Slot = l.slotOf(seq)
	l.saw(seq)
	l.known = place{head: head, end: seq}
	l.proven = proof{of: head, number: number}
	return head, nil
}

// Outcomes of one publish other than an acknowledgement.
var (
	errMismatch = errors.New("the stream's last sequence is another one")
	errUnsent   = errors.New("the message was not sent")
	errRefused  = errors.New("the server refuses the message")
)

// push publishes data behind p until it is certain what became of it. It
// returns the sequence at which the first record that names p.head has the
// hash mine. A proof, which has no such hash, is pushed until a copy is
// acknowledged behind everything that names p.head: at that sequence.
func (l *Log) push(ctx context.Context, p *place, data []byte, mine journal.Hash) (uint64, error) {
	unsure, told := false, uint64(0)
	for {
		err := l.standAgain(ctx, p)
		switch {
		case errors.Is(err, journal.ErrLost) && unsure:
			return 0, outcome(true, fmt.Errorf("jetstream: since the connection came back: %v", err)) // what was sent may have been there
		case errors.Is(err, journal.ErrLost), errors.Is(err, journal.ErrCorrupt), errors.Is(err, ErrVersion):
			return 0, outcome(unsure, err)
		case err != nil:
			if gone := l.again(ctx, err); gone != nil {
				return 0, outcome(unsure, gone)
			}
			continue
		}
		if told == 0 {
			began := time.Now()
			told, err = l.publish(ctx, data, p.end)
			if err == nil && told == p.end+1 {
				l.acks.Observe(int64(time.Since(began)))
				return told, nil
			}
			if err == nil && told <= p.end {
				return 0, outcome(true, l.damage(told, fmt.Sprintf("it was there, and was acknowledged anew, where %d was expected", p.end+1)))
			}
			unsure = unsure || !errors.Is(err, errMismatch) && !errors.Is(err, errUnsent) && !errors.Is(err, errRefused)
			if errors.Is(err, errRefused) {
				return 0, outcome(unsure, err)
			}
		}
		end := p.end
		seq, hash, looked := l.advance(ctx, p)
		if seq != 0 || p.end > end {
			l.heard(&l.unacked)
		}
		switch {
		case errors.Is(looked, journal.ErrCorrupt), errors.Is(looked, ErrVersion):
			return 0, outcome(unsure, looked)
		case looked != nil:
			err = errors.Join(err, looked)
		case seq != 0 && hash == mine:
			return seq, nil
		case seq != 0:
			return 0, fmt.Errorf("%w: message %d of stream %s follows index %d", journal.ErrLost, seq, l.name, p.head.Index)
		case told != 0 && p.end >= told && mine == (journal.Hash{}):
			return told, nil
		case told != 0 && p.end >= told:
			return 0, outcome(unsure, l.damage(told, "it was acknowledged for a record, and is another"))
		}
		if gone := l.again(ctx, err); gone != nil {
			return 0, outcome(unsure, gone)
		}
	}
}

// again waits before the next try to publish; the reason it gives up, if it does.
func (l *Log) again(ctx context.Context, err error) error {
	l.inVain(ctx, &l.unacked)
	if gone := l.rest(ctx, pause); gone != nil {
		return fmt.Errorf("jetstream: publish to stream %s: %w (last: %w)", l.name, gone, err)
	}
	return nil
}

// Codes of refusals that come before anything was proposed.
const (
	codeAccountResources jetstream.ErrorCode = 10002
	codeResources        jetstream.ErrorCode = 10023
	codeSealed           jetstream.ErrorCode = 10109
)

// perByte is what each byte of a message adds to AckWait: 4 MiB take a second.
const perByte = time.Second / (4 << 20)

// publish sends the message once and returns the sequence that acknowledges it.
// An error that is none of the three above leaves open what became of it.
func (l *Log) publish(ctx context.Context, data []byte, last uint64) (uint64, error) {
	if l.conn.IsClosed() {
		return 0, fmt.Errorf("%w: the connection is closed", errUnsent)
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.AckWait+time.Duration(len(data))*perByte)
	defer cancel()
	msg := nats.NewMsg(l.cfg.subject())
	msg.Header.Set(nats.ExpectedLastSeqHdr, strconv.FormatUint(last, 10))
	msg.Data = data
	answer, err := l.conn.RequestMsgWithContext(ctx, msg)
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return 0, fmt.Errorf("%w: %w", errUnsent, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return 0, fmt.Errorf("%w: %w", errRefused, err)
	case err != nil:
		return 0, err
	}
	var ack struct {
		refusal
		Stream    string `json:"stream"`
		Sequence  uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("read the acknowledgement: %w", err)
	}
	switch refused := ack.failed(); {
	case refused != nil:
		return 0, refusedBecause(refused)
	case ack.Duplicate || ack.Stream != l.name || ack.Sequence == 0:
		// A duplicate is told from memory: the stream may have lost the message.
		return 0, fmt.Errorf("the acknowledgement is no proof: %s", answer.Data)
	}
	l.heard(&l.unacked)
	return ack.Sequence, nil
}

func refusedBecause(refused *jetstream.APIError) error {
	switch refused.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return fmt.Errorf("%w: %w", errMismatch, refused)
	case jetstream.JSErrCodeStreamMessageExceedsMaximum, codeAccountResources, codeResources, codeSealed:
		return fmt.Errorf("%w: %w", errRefused, refused)
	}
	return refused
}
