// Package lease runs a function while this process alone holds a named lease.
//
//	err := lease.Hold(ctx, db, "billing/nightly", 15*time.Second,
//		func(ctx context.Context, token mainstem.FencingToken) error {
//			return run(ctx, token) // ctx ends when the lease is lost
//		})
//
// No lock service can stop a holder that was paused from acting late (Kleppmann,
// "How to do distributed locking", 2016). So hand the token to whatever is
// changed under the lease: mainstem.LeaseHeld in the lease's own group,
// mainstem.Present in another, a comparison in a store outside.
package lease
