// Package anomaly knows what can go wrong with concurrent and copied data, and what
// each product promises against it: anomalies with the smallest history that shows
// them, isolation levels by product, consistency models as a partial order, what a
// system gives up when its network is cut, delivery semantics, event sourcing or a
// table, and which changes of a schema old and new programs survive.
//
// All of it is data, in YAML, with sources; the code looks up, compares and counts.
// How sure a statement is goes with it: what is called tested was run on a real
// server by a test of this repository.
package anomaly
