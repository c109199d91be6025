// Package pgcluster is what a cluster can do because its log is in the PostgreSQL
// database of its callers' own tables: CommitWith commits a transaction of SQL and
// one of Mainstem together, and TakeOver makes a log go on from what package pg has
// staged there.
package pgcluster
