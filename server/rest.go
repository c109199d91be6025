package server

import (
	"context"
	"time"
)

// To read and refuse a message costs the server some 100 µs, and some µs for each
// transaction in it. All streams together that send what is refused as a whole, and
// send again, get no more than about a tenth of that time: the more of them there are,
// the longer each is not read from. Its client notices that its socket is full.
const (
	restMessage = time.Millisecond
	restEach    = 5 * time.Microsecond
	restMost    = time.Second
)

// rest is how long nothing is read from a stream of whose last message so many
// transactions were refused, of all that it had. A message of which a part was taken
// is what an honest client sends, that finds out how much there is room for.
func (s *share) rest(refused, all int) time.Duration {
	stubborn := all > 0 && refused == all
	switch {
	case stubborn && !s.stubborn:
		s.of.stubborn.Add(1)
	case !stubborn && s.stubborn:
		s.of.stubborn.Add(-1)
	}
	if s.stubborn = stubborn; !stubborn {
		return 0
	}
	return min(restMost, time.Duration(s.of.stubborn.Load())*(restMessage+time.Duration(all)*restEach))
}

// pause waits, but not for a stream or a server that ends.
func pause(ctx, leaving context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	case <-leaving.Done():
	}
}
