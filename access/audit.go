package access

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Refusal is a request that was refused, for a log and for counting. It names no
// keys and has no values: who reads a log need not have the right to read the data.
type Refusal struct {
	// Client is who asked; empty when that is not known.
	Client string
	// Remote is the address that an unknown client's connection came from.
	Remote string
	// Right is what was missing, if it was a right.
	Right Right
	// Group is what the request was about; empty for the whole database.
	Group string
	// Code is what the client was told.
	Code mainstem.Code
	// Reason is why. The set is closed.
	Reason Reason
}

// Reason is why a request was refused.
type Reason string

// The reasons.
const (
	// Unknown: no token or certificate, or one that the policy does not have.
	Unknown Reason = "unknown"
	// Gone: the policy had the client when its connection or feed began, and has it
	// no longer.
	Gone Reason = "gone"
	// NoRight: no rule allows it.
	NoRight Reason = "no_right"
	// OtherActor: the transaction claims to be somebody else's.
	OtherActor Reason = "other_actor"
	// TooMany, TooManyAtOnce, TooManyFeeds and TooLong: a limit of the client.
	TooMany       Reason = "requests"
	TooManyAtOnce Reason = "concurrent"
	TooManyFeeds  Reason = "feeds"
	TooLong       Reason = "bytes"
)

// Reasons lists every reason, for tables and metrics.
func Reasons() []Reason {
	return []Reason{Unknown, Gone, NoRight, OtherActor, TooMany, TooManyAtOnce, TooManyFeeds, TooLong}
}

// How many refusals of one client are logged: so many at once, then one per
// AuditEvery. Those of unknown clients count as one client's, so that a flood of
// either neither fills a disk nor hides the others.
const (
	// AuditBurst is how many come at once.
	AuditBurst = 10
	// AuditEvery is the time between two after that.
	AuditEvery = time.Second
)

// audit bounds what is logged of one client.
type audit struct {
	pace pace
	left atomic.Int64 // refusals left out since the last one that was logged
}

// refused counts a refusal and logs it, or counts it among those left out.
func (g *Gate) refused(ctx context.Context, a *audit, r Refusal) {
	g.count(r)
	if a.pace.take(time.Since(g.began), int64(AuditEvery), AuditBurst) > 0 {
		a.left.Add(1)
		return
	}
	attrs := []slog.Attr{
		slog.String("client", r.Client), slog.String("right", r.Right.String()), slog.String("group", cut(r.Group)),
		slog.String("code", r.Code.String()), slog.String("reason", string(r.Reason)),
	}
	if r.Remote != "" {
		attrs = append(attrs, slog.String("remote", r.Remote))
	}
	if n := a.left.Swap(0); n > 0 {
		attrs = append(attrs, slog.Int64("left_out", n))
	}
	g.log.LogAttrs(ctx, slog.LevelWarn, "request refused", attrs...)
}

// cut is the name of a group, which nobody has checked yet.
func cut(group string) string {
	if len(group) > mainstem.LimitName {
		return group[:mainstem.LimitName]
	}
	return group
}
