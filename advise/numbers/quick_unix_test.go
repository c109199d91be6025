//go:build unix

package numbers

import (
	"maps"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// spent is the processor time of this process, which other work on the machine does not lengthen.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestSimulationsAreQuick: a simulation takes less than three seconds, also with as many copies,
// parts or requests as it takes, and with figures at the ends of what they may be.
func TestSimulationsAreQuick(t *testing.T) {
	ran := 0
	for _, c := range All() {
		if !c.slow() {
			continue
		}
		cases := []map[string]string{c.Example()}
		most := maps.Clone(c.Example())
		for _, in := range c.Inputs {
			if in.Name == "seed" {
				continue
			}
			if in.Kind == Count {
				most[in.Name] = strconv.FormatFloat(in.Most, 'f', -1, 64)
			}
			one := maps.Clone(c.Example())
			one[in.Name] = strconv.FormatFloat(in.Most, 'f', -1, 64) + map[Kind]string{Duration: " s", Rate: "/s", Size: " B"}[in.Kind]
			cases = append(cases, one)
		}
		for _, in := range append(cases, most) {
			began := spent(t)
			if _, err := c.Run(in); err == nil {
				ran++
			}
			if took := spent(t) - began; took > 3*time.Second {
				t.Errorf("%s with %v took %s", c.Name, in, took)
			}
		}
	}
	if ran < 8 {
		t.Errorf("%d simulations ran", ran)
	}
}
