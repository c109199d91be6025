// Package postgres is the log engine on PostgreSQL: several nodes share the log of
// one database, in one schema of a server that is there already.
//
// An append is one statement, one round trip and one commit: it locks the row of
// the partition's tail, compares index and hash, and inserts the record. Slot and
// index are the same, so there are no void records. Nothing is cancelled on its
// way: a connection that breaks, or a server that warns at COMMIT, leaves the
// outcome unknown, and the same append again tells.
//
// What is read was committed as safely as the server is set up to: where standbys
// are named, every read waits for a commit of its own, because after a crash a
// server shows commits that no standby has confirmed. The tail is proved by a write,
// because a server that was replaced still answers questions.
//
// The engine needs a server that takes writes; a URL with several hosts finds it.
// It works behind a transaction pooler; without LISTEN it asks for news more often.
package postgres
