package sharedlog_test

import (
	"testing"

	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

// TestConformance: as long as nothing is ordered, it is a log like any other.
func TestConformance(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Subject {
		s := sharedlog.NewStore()
		return journaltest.Subject{
			Log:    s.Open(),
			Reopen: func(*testing.T) journal.Log { return s.Open() },
			Shared: func(*testing.T) journal.Log { return s.Open() },
		}
	})
}
