package load

import (
	"runtime"
	"syscall"
	"time"
)

// preciseWait sleeps in a thread of its own: the runtime's timers may be a
// millisecond late when nothing else runs, which is more than what is measured.
func preciseWait() (wait func(time.Duration), done func()) {
	runtime.LockOSThread()
	return func(d time.Duration) {
		t := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&t, nil) // when interrupted, the caller looks at the clock and waits again
	}, runtime.UnlockOSThread
}
