package postgres_test

import (
	"testing"

	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

// TestConformance runs the suite of all engines against a real server.
func TestConformance(t *testing.T) {
	on := running(t)
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		c := install(t, on, 1)
		again := func(t *testing.T) journal.Log { return open(t, c).Logs[0] }
		return journaltest.Subject{Log: again(t), Reopen: again, Shared: again}
	})
}
