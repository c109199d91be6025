package remote

import (
	"net"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/mainstemdb/mainstem"
)

// After BreakAfter failures in a row a server is left alone for BreakFor; then
// one request tries it again.
const (
	BreakAfter = 3
	BreakFor   = 500 * time.Millisecond
)

// dialer makes the connections.
var dialer = net.Dialer{Timeout: DialTimeout}

// breaker keeps callers from a server that does not answer.
type breaker struct {
	circuit circuitbreaker.CircuitBreaker[any]
}

func newBreaker() breaker {
	return breaker{circuitbreaker.NewBuilder[any]().WithFailureThreshold(BreakAfter).WithDelay(BreakFor).Build()}
}

// pass lets a request through, or says that the server is left alone. Each
// request that passes tells how it went.
func (b breaker) pass(address string) error {
	if b.circuit.TryAcquirePermit() {
		return nil
	}
	return mainstem.Errorf(mainstem.Unavailable, "server %s did not answer %d times in a row and is left alone for %s", address, BreakAfter, BreakFor)
}

// tell says how a request went that passed.
func (b breaker) tell(answered bool) {
	if answered {
		b.circuit.RecordSuccess()
	} else {
		b.circuit.RecordFailure()
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
