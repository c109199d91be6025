package mainstemtest

import (
	"sync"
	"time"
)

// Clock is a clock that moves on command; give it to a database with
// embedded.OnClock. It begins at a fixed moment.
type Clock struct {
	mu      sync.Mutex
	boot    [16]byte
	elapsed time.Duration
	wall    time.Time
}

// NewClock is a clock that stands still at 2026-01-01 00:00 UTC, an hour after
// its machine was started.
func NewClock() *Clock {
	return &Clock{boot: [16]byte{1}, elapsed: time.Hour, wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// Advance lets time pass, as clocks should. It must not be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.elapsed, c.wall = c.elapsed+max(0, d), c.wall.Add(max(0, d))
}

// Jump moves the wall clock alone, forwards or backwards, as an operator or a
// time server does.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall = c.wall.Add(d)
}

// Reboot is another boot of the machine, off for that long by the wall clock.
// Reopen the database after it, as one has to after a reboot.
func (c *Clock) Reboot(off time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.boot) - 1; ; i-- {
		c.boot[i]++
		if c.boot[i] != 0 || i == 0 {
			break
		}
	}
	c.elapsed, c.wall = time.Second, c.wall.Add(off)
}

// Boot is the identity of the boot, and the time since.
func (c *Clock) Boot() (id [16]byte, elapsed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot, c.elapsed
}

// Wall is the wall clock.
func (c *Clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}
