// Package remote is a database on a server, as a Backend: what works on a
// database in this process works on it, through the same DB.
//
//	db, err := remote.Open("http://127.0.0.1:7171")
//
// Transactions of all goroutines share one stream per server, and what waits
// travels together, so that a thousand callers cost few round trips. A transaction
// is sent once per Commit: an answer that did not arrive is Undecided, and the same
// ID tells what became of it (DB.Group.Do does that for IDs of the library's own).
// Reads are repeated on another server where there is one.
package remote
