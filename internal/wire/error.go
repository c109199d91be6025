package wire

import (
	"context"
	"errors"
	"strings"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// statuses are the status of the RPC per code. The code itself travels in the
// detail; the status is for proxies, and for clients that know no detail.
var statuses = map[mainstem.Code]connect.Code{
	mainstem.Conflict:         connect.CodeAborted,
	mainstem.Held:             connect.CodeFailedPrecondition,
	mainstem.Fenced:           connect.CodeFailedPrecondition,
	mainstem.Exists:           connect.CodeAlreadyExists,
	mainstem.InProgress:       connect.CodeAborted,
	mainstem.RetryTransaction: connect.CodeAborted,
	mainstem.Weak:             connect.CodeFailedPrecondition,
	mainstem.Stopped:          connect.CodeUnavailable,
	mainstem.Cancelled:        connect.CodeCanceled,
	mainstem.OutOfRange:       connect.CodeOutOfRange,
	mainstem.WrongGroup:       connect.CodeInvalidArgument,
	mainstem.IDReused:         connect.CodeInvalidArgument,
	mainstem.TooOld:           connect.CodeFailedPrecondition,
	mainstem.Trimmed:          connect.CodeOutOfRange,
	mainstem.TooLarge:         connect.CodeInvalidArgument,
	mainstem.Overloaded:       connect.CodeResourceExhausted,
	mainstem.Undecided:        connect.CodeUnknown,
	mainstem.Corrupt:          connect.CodeDataLoss,
	mainstem.Unavailable:      connect.CodeUnavailable,
	mainstem.HistoryLost:      connect.CodeDataLoss,
	mainstem.Denied:           connect.CodePermissionDenied,
	mainstem.Invalid:          connect.CodeInvalidArgument,
}

// Error is err as a message. An error that is none of Mainstem's says nothing
// about what happened; fallback is the code for that: Undecided for a commit,
// Unavailable for a read.
func Error(err error, fallback mainstem.Code) *pb.Error {
	e := Typed(err, fallback)
	return &pb.Error{
		Code: e.Code.String(), Message: strings.ToValidUTF8(e.Message, "\uFFFD"), Condition: int32(e.Condition),
		Advice: strings.ToValidUTF8(e.Advice, "\uFFFD"),
	}
}

// Typed is the Error in err's chain, or err as one with the code fallback.
func Typed(err error, fallback mainstem.Code) *mainstem.Error {
	var e *mainstem.Error
	if errors.As(err, &e) {
		return e
	}
	return mainstem.Errorf(fallback, "%w", err)
}

// ParseError reads a message. A code that this program does not know, from a newer
// server, becomes the fallback, and keeps its text.
func ParseError(m *pb.Error, fallback mainstem.Code) *mainstem.Error {
	e := &mainstem.Error{Message: m.GetMessage(), Condition: int(m.GetCondition()), Advice: m.GetAdvice()}
	if err := e.Code.UnmarshalText([]byte(m.GetCode())); err != nil {
		e.Code, e.Message = fallback, m.GetCode()+": "+m.GetMessage()
	}
	return e
}

// Fail is err as the end of an RPC, with the message as its detail.
func Fail(err error, fallback mainstem.Code) *connect.Error {
	m := Error(err, fallback)
	out := connect.NewError(statuses[Typed(err, fallback).Code], errors.New(m.GetMessage()))
	if detail, err := connect.NewErrorDetail(m); err == nil {
		out.AddDetail(detail)
	}
	return out
}

// Said is the error that the server gave at the end of an RPC, exactly, or nil
// where what ended it was something else.
func Said(err error, fallback mainstem.Code) *mainstem.Error {
	var failed *connect.Error
	if !errors.As(err, &failed) {
		return nil
	}
	for _, d := range failed.Details() {
		if v, err := d.Value(); err == nil {
			if m, ok := v.(*pb.Error); ok {
				return ParseError(m, fallback)
			}
		}
	}
	return nil
}

// Failure reads the end of an RPC: what the server said, or, where it said
// nothing, what the transport met, with the code fallback.
func Failure(err error, fallback mainstem.Code) *mainstem.Error {
	if said := Said(err, fallback); said != nil {
		return said
	}
	if own, ok := errors.AsType[*mainstem.Error](err); ok { // of the client itself, before anything was sent
		e := *own
		return &e
	}
	if code, ok := refusals[connect.CodeOf(err)]; ok && (code == mainstem.Denied || connect.IsWireError(err)) {
		return mainstem.Errorf(code, "the server said %w", err)
	}
	if fallback != mainstem.Undecided && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return mainstem.Errorf(mainstem.Cancelled, "%w", err)
	}
	return mainstem.Errorf(fallback, "no answer from the server: %w", err)
}

// refusals are statuses of a server that has not looked at the request, by which
// nothing was done: by a gateway before it, or by the protocol itself. A client has
// those that are Denied from nowhere but a server, also where it finds them in a
// plain HTTP status.
var refusals = map[connect.Code]mainstem.Code{
	connect.CodeUnauthenticated:   mainstem.Denied,
	connect.CodePermissionDenied:  mainstem.Denied,
	connect.CodeUnimplemented:     mainstem.Invalid,
	connect.CodeInvalidArgument:   mainstem.Invalid,
	connect.CodeResourceExhausted: mainstem.Overloaded,
}
