package demo

import (
	"fmt"
	"time"
)

// tell shows the run's progress until the returned function is called: one
// live line on a terminal, one line at the start elsewhere.
func (c Config) tell(m *market) (stop func()) {
	if c.Progress == nil {
		return func() {}
	}
	if !c.Live {
		fmt.Fprintf(c.Progress, "%s: %d purchases, %d kills\n", m.plan.mode, len(m.plan.orders), m.plan.kills)
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				fmt.Fprint(c.Progress, "\r\x1b[K")
				return
			case <-tick.C:
				fmt.Fprint(c.Progress, "\r"+m.line()+"\x1b[K")
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// line is the live line.
func (m *market) line() string {
	state := "up"
	if m.place.away() {
		state = "DOWN"
	}
	return fmt.Sprintf("%-15s %7d of %d purchases   kills %d of %d   sent again %d   %s",
		m.plan.mode, m.done.Load(), len(m.plan.orders), m.kills.Load(), m.plan.kills, m.resent.Load(), state)
}
