package jetstream_test

import (
	"testing"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

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

func TestConformanceOnOneServer(t *testing.T) {
	conform(t, newCluster(t, 1).inProcess(t).options)
}

func TestConformanceOnThreeServers(t *testing.T) {
	conform(t, newCluster(t, 3).inProcess(t).options)
}
