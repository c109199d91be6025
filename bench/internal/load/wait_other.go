//go:build !linux

package load

import "time"

// preciseWait is as precise as the runtime's timers.
func preciseWait() (wait func(time.Duration), done func()) {
	timer := time.NewTimer(0)
	<-timer.C
	return func(d time.Duration) {
		timer.Reset(d)
		<-timer.C
	}, func() { timer.Stop() }
}
