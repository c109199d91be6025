package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
)

// After BreakAfter failures in a row a server is left alone for BreakFor; then
// one request tries it again, and the others wait for what that brings (Nygard,
// "Release It!", the circuit breaker).
const (
	BreakAfter = 3
	BreakFor   = 500 * time.Millisecond
)

// breaker keeps callers from a server that does not answer.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // left alone until then, once there are enough of them
}

// pass lets a request through, or says that the server is left alone. A
// request that passes tells how it went.
func (b *breaker) pass(address string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.failures < BreakAfter || now.After(b.until) {
		b.until = now.Add(BreakFor) // for the others, where this one is a trial
		return nil
	}
	return mainstem.Errorf(mainstem.Unavailable, "server %s failed %d times in a row and is left alone for %s", address, b.failures, BreakFor)
}

// tell says of a request that passed whether the server was heard, were it a refusal.
// One whose caller gave up before that, by ctx, has nothing to say; one that took all
// of the client's own timeout has.
func (b *breaker) tell(ctx context.Context, heard bool) {
	if !heard && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeout) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if heard {
		b.failures = 0
		return
	}
	b.failures++
	b.until = time.Now().Add(BreakFor)
}

// call makes a call of one message, behind the breaker, and within the client's timeout.
// An error that has a code says that nothing was sent.
func call[Q, A any](asker context.Context, s *server, most time.Duration,
	rpc func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), question *Q,
) (*A, error) {
	if err := s.breaker.pass(s.address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(asker, most, errTimeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	answer, err := rpc(ctx, connect.NewRequest(question))
	s.breaker.tell(ctx, word(err))
	if err != nil && asker.Err() == nil && s.life.Err() == nil && ctx.Err() != nil && !word(err) {
		return nil, fmt.Errorf("server %s did not answer within %s: %w", s.address, most, errTimeout)
	}
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}

// word reports whether the end of an RPC is the server's own word, and not that of
// what stands between, or of nobody. Denied counts whoever says it.
func word(err error) bool {
	return err == nil || connect.IsWireError(err) || wire.Said(err, mainstem.Unavailable) != nil ||
		wire.Failure(err, mainstem.Unavailable).Code == mainstem.Denied
}
