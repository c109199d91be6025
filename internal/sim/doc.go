// Package sim runs one seeded list of operations on any configuration of a
// database and on the independent model, and compares every answer: results,
// error codes, group contents, receipts on retry, and the feed.
//
// A list is data. Positions, tokens and ages in it are symbols, the numbers of
// the operations that brought them about, because every configuration has its
// own; a runner resolves them as it goes. So a failing list can be shrunk by
// leaving operations out, and printed for a person to read.
package sim
