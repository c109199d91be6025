package jetstream_test

import (
	"syscall"
	"testing"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

// TestConformanceOnOneServer kills the server, too.
func TestConformanceOnOneServer(t *testing.T) {
	c := newCluster(t, 1).asChildren(t)
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		o := c.options()
		reopen := func(t *testing.T) journal.Log { return open(t, o) }
		return journaltest.Subject{Log: open(t, o), Reopen: reopen, Crash: func(t *testing.T) journal.Log {
			if err := c.nodes[0].child.End(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			c.spawn(t, c.nodes[0])
			c.ready(t)
			return reopen(t)
		}}
	})
}

// conform runs the suite, each test on a stream of its own.
func conform(t *testing.T, options func() jetstream.Options) {
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		o := options()
		return journaltest.Subject{
			Log:    open(t, o),
			Reopen: func(t *testing.T) journal.Log { return open(t, o) },
		}
	})
}

func TestConformanceOnThreeServers(t *testing.T) {
	t.Parallel()
	conform(t, newCluster(t, 3).inProcess(t).options)
}
