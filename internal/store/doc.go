// Package store keeps the rows of the state on disk, in Pebble's tables. No
// other package knows that it is Pebble.
//
// What was applied is gathered in a delta, a hash table in memory that keeps
// what it overwrites, so that any number of frozen views share it. A full delta
// is written to tables, which Pebble takes in one step: rows that follow each
// other in time, as the history of keys does, have tables that overlap no
// others, and are never merged.
//
// There is no write-ahead log here: the journal is it. What was applied since
// the last Flush can be gone after a crash, and even after a clean Close, but
// what is left is always the result of a prefix of the applied batches. A row
// that says how far the state has come, written in the same batch as its
// effects, therefore tells where replay begins (RELIABILITY 1.9, 1.10).
//
// A store that fails to write is finished: from that moment on nothing more
// reaches its files, so that they look as after a crash, Done is closed, and
// Err says why. Reads go on. The same process may open the directory again.
package store
