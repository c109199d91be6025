package cli

import (
	"fmt"
	"time"

	"charm.land/bubbles/v2/progress"
)

// bar shows how far long work has come, on standard error: a bar on a
// terminal, a line now and then elsewhere, nothing with --json.
type bar struct {
	env   *env
	noun  string
	total int
	shown time.Time
	bar   progress.Model
}

func newBar(e *env, noun string, total int) *bar {
	return &bar{env: e, noun: noun, total: total, shown: time.Now(), bar: progress.New(progress.WithWidth(40))}
}

// show tells that done of total are done.
func (b *bar) show(done int) {
	pause := 5 * time.Second
	if b.env.errTerminal {
		pause = 50 * time.Millisecond
	}
	if b.env.json || time.Since(b.shown) < pause {
		return
	}
	b.shown = time.Now()
	if b.env.errTerminal {
		fmt.Fprintf(b.env.err, "\r%s %s %d/%d\x1b[K", b.noun, b.bar.ViewAs(float64(done)/float64(max(b.total, 1))), done, b.total)
		return
	}
	fmt.Fprintf(b.env.err, "%s: %d of %d\n", b.noun, done, b.total)
}

// end clears the bar.
func (b *bar) end() {
	if b.env.errTerminal && !b.env.json {
		fmt.Fprint(b.env.err, "\r\x1b[K")
	}
}
