//go:build !linux

package node

import "time"

// bootTime counts from this process's start: other systems give no boot clock
// that includes suspends, and their boot identity is per process as well.
func bootTime() time.Duration { return time.Since(started) }

var started = time.Now()
