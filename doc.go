// Package mainstem makes writes in Go services safe to retry: a change, its
// event and its idempotency key commit together.
//
// The one primitive is a conditional, idempotent, atomic transaction on a
// totally ordered log. Keys with compare-and-set, event streams, leases with
// fencing tokens, idempotency, change capture and exactly-once processing are
// derived from it. This package is the vocabulary; it imports only the
// standard library. Open a database with package embedded.
//
// A transaction works in one group, the unit of placement:
//
//	left := int64(0)
//	receipt, err := db.Group("item-42").Do(ctx, "order-7", func(tx *mainstem.Txn) error {
//		tx.Add("stock", -1, mainstem.Floor(0))
//		tx.Append("orders", mainstem.Event{Type: "placed", Data: order})
//		return nil
//	})
//
// Repeating the call with the same ID returns the first receipt and does not
// run the function. What the function reads through tx becomes a condition; on
// a conflict it runs again. Every error has one of a closed set of codes; the
// one that most systems lack is Undecided: repeat with the same ID.
//
// Laws are cited by number, L1 to L12, as in ARCHITECTURE.md.
package mainstem
