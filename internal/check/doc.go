// Package check judges recorded histories: what clients asked, when, and what
// they were answered. It knows nothing of how a database works.
//
// Single keys are judged for linearizability (Herlihy and Wing, 1990) by
// porcupine. Transactions over several lists are judged for serializability in
// the way of Elle (Kingsbury and Alvaro, VLDB 2020): every element that a read
// returns names its writer, so the order of versions is known and not guessed,
// and an anomaly is a cycle with a name (Adya, 1999).
package check
