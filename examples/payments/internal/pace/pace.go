// Package pace is about time that passes: waiting for it, and drawing some of it.
package pace

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pause waits, or ends with the context and says why that ended.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// UpTo draws a time below d, which is more than 0.
func UpTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d)))
}
