package node

import (
	"crypto/sha256"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
)

// Clock is where time comes from (L6). Only a record's writer asks it.
type Clock interface {
	// Boot is an identity of this machine's boot, and the time since it,
	// suspends included.
	Boot() (id [16]byte, elapsed time.Duration)
	// Wall is the wall clock, which may be wrong and may jump.
	Wall() time.Time
}

// SystemClock is the machine's own.
func SystemClock() Clock { return &systemClock{boot: bootID()} }

type systemClock struct {
	boot [16]byte
	last atomic.Pointer[tick]
}

// tick is one reading of the boot clock, and when it was read.
type tick struct {
	at      time.Time
	elapsed time.Duration
}

// Asking the boot clock is a call into the kernel, where the monotonic clock is
// none. They differ by the time that the machine was suspended, so that one
// reading serves for a moment: right after a suspend log age is late by the
// time since it, which lets things live longer, never shorter (L6).
const asking = 10 * time.Millisecond

func (c *systemClock) Boot() ([16]byte, time.Duration) {
	last := c.last.Load()
	if last != nil {
		if since := time.Since(last.at); since < asking {
			return c.boot, last.elapsed + since
		}
	}
	now := &tick{at: time.Now(), elapsed: bootTime()}
	c.last.Store(now)
	return c.boot, now.elapsed
}

func (c *systemClock) Wall() time.Time { return time.Now() }

// bootID is the kernel's; without one, a start of this process counts as a
// boot, so that elapsed time is never compared between two of them.
func bootID() [16]byte {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		text = []byte(time.Now().String())
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(text))))
	return [16]byte(sum[:16])
}

// chronometer turns the clock into log age and recorded wall time.
//
// Log age is the age at the tail plus what the boot clock has advanced since.
// After a start on another boot the wall difference is added instead, at least
// zero and within the leap budget, and the next record says so. Every error
// makes IDs and leases live longer, never shorter.
type chronometer struct {
	clock Clock
	from  atomic.Pointer[anchor]
	// leap is log age taken from the wall clock and not yet recorded.
	leap atomic.Int64
}

// anchor is the log age at a reading of the boot clock.
type anchor struct {
	age  mainstem.LogAge
	boot time.Duration
}

func newChronometer(clock Clock, tail *state.Tail) *chronometer {
	boot, now := clock.Boot()
	c := &chronometer{clock: clock}
	from := &anchor{age: tail.Age, boot: now}
	switch {
	case tail.Head.Index == 0:
		from.age = 1 // so that no moment has the age that means none
	case record.UUID(boot) == tail.Boot && now >= time.Duration(tail.BootTime):
		from.boot = time.Duration(tail.BootTime)
	default:
		leap := min(max(0, clock.Wall().UnixNano()-tail.Wall), tail.LeapBudget(tail.Age))
		if breaklaw.On("L6") {
			leap = max(0, clock.Wall().UnixNano()-tail.Wall)
		}
		c.leap.Store(leap)
		from.age += mainstem.LogAge(leap)
	}
	c.from.Store(from)
	return c
}

// follow goes on from a record that another node has written, from the moment at
// which it is applied here: what passed on its way does not count, so that
// everything lives that much longer, never shorter.
func (c *chronometer) follow(tail *state.Tail) {
	_, now := c.clock.Boot()
	c.leap.Store(0)
	c.from.Store(&anchor{age: tail.Age, boot: now})
}

// age is the log age now; it does not run backwards even if the boot clock does.
func (c *chronometer) age(tail *state.Tail) mainstem.LogAge {
	_, now := c.clock.Boot()
	if breaklaw.On("L6") {
		return max(tail.Age, mainstem.LogAge(c.clock.Wall().UnixNano()))
	}
	from := c.from.Load()
	return max(tail.Age, from.age.Add(max(0, now-from.boot)))
}

// wallStep is the farthest that recorded wall time follows a clock ahead of it
// in one record.
const wallStep = 24 * time.Hour

// stamp sets a header's time. Recorded wall time follows the clock: forwards
// at most wallStep beyond the time that has passed, backwards never, but at
// half speed until the clock has caught up.
func (c *chronometer) stamp(h *record.Header, tail *state.Tail) {
	h.Age, h.Leap = c.age(tail), c.leap.Load()
	c.date(h, tail)
}

// beside stamps a record that is judged beside the loop. Log age that was taken from
// the wall clock is the loop's to record: until it has, no time passes here.
func (c *chronometer) beside(h *record.Header, tail *state.Tail) {
	h.Age = tail.Age
	if c.leap.Load() == 0 {
		h.Age = c.age(tail)
	}
	c.date(h, tail)
}

// date is what of a header's time decides nothing, and follows from its age.
func (c *chronometer) date(h *record.Header, tail *state.Tail) {
	boot, now := c.clock.Boot()
	h.Boot, h.BootTime = boot, int64(now)
	wall := c.clock.Wall().UnixNano()
	if tail.Head.Index == 0 {
		h.Wall = wall
		return
	}
	passed := int64(h.Age.Sub(tail.Age))
	ahead := tail.Wall + passed + int64(wallStep)
	h.Wall = max(tail.Wall+passed/2, min(wall, ahead))
}
