// Package journaltest says what a journal.Log must do. An engine is finished
// when [Run] is green against the real thing.
package journaltest
