package jetstream

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/cloudevent"
)

// header begins the names of an event's attributes.
const header = "ce-"

// headerTooLarge is a code of the server for which the client library has no name.
const headerTooLarge jetstream.ErrorCode = 10097

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }

// look finds the newest message of a subject. A follower that lags may answer; then
// the server refuses the next attempt too, and nothing is published twice.
func (s *Sink) look(ctx context.Context, subject string) error {
	if s.stream == nil {
		stream, err := s.js.Stream(ctx, s.config.Stream)
		if err != nil {
			return err
		}
		s.stream = stream
	}
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		delete(s.places, subject)
		return nil
	case err != nil:
		return err
	}
	p := place{sequence: m.Sequence}
	if m.Header.Get(header+cloudevent.Source) == string(s.config.Source) {
		n, err := strconv.ParseUint(m.Header.Get(header+cloudevent.Position), 10, 63)
		if err != nil {
			return mainstem.Errorf(mainstem.Unavailable, "the newest message on %s, %d, is of this source and has no position: %w", subject, m.Sequence, err)
		}
		p.position = mainstem.Position(n)
	}
	s.places[subject] = p
	return nil
}

// outOfPlace is true of an answer that the subject has another newest message.
func outOfPlace(err error) bool {
	code := apiCode(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

func apiCode(err error) jetstream.ErrorCode {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refused.ErrorCode
	}
	return 0
}

// judge tells what is the event's from what is the way's. Only its size is the
// event's: whatever else a server refuses, it would refuse of every event.
func judge(r *row, err error) error {
	id := r.events[0].Position
	switch code := apiCode(err); {
	case errors.Is(err, nats.ErrMaxPayload), code == jetstream.JSErrCodeStreamMessageExceedsMaximum, code == headerTooLarge:
		return mainstem.Errorf(mainstem.TooLarge, "the event at %d is too large for the server or its stream: %w", id, err)
	case outOfPlace(err):
		return mainstem.Errorf(mainstem.Unavailable, "somebody else publishes on %s, or an answer is late: %w", r.subject, err)
	}
	return mainstem.Errorf(mainstem.Unavailable, "the event at %d cannot be published on %s: %w", id, r.subject, err)
}
