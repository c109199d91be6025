package load

import (
	"runtime"
	"syscall"
	"time"
)

// busy is from how many arrivals per second on the runtime is awake all the
// time. Before that its timers may be a millisecond late, which is more than
// what is measured. After that they are precise, and it is a thread that leaves
// the runtime at each arrival that comes late: it waits for a core when it is
// back. Judged by floor-sync, whose median each way is the lower where it is used.
const busy = 10_000

// waitFor is how to wait for the next of so many arrivals per second.
func waitFor(rate float64) (wait func(time.Duration), done func()) {
	if rate >= busy {
		return time.Sleep, func() {}
	}
	runtime.LockOSThread()
	return func(d time.Duration) {
		t := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&t, nil) // when interrupted, the caller looks at the clock and waits again
	}, runtime.UnlockOSThread
}
