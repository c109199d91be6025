// Package model is an independent judge: the whole contract of a Mainstem
// database, written from its documentation with plain maps and full histories,
// and with nothing in common with the product but the root package's plain
// types.
//
// It is slow, keeps everything for ever, and knows no disk, no partition and
// no goroutine. Where the contract leaves two answers open (how long after its
// TTL a key goes, how much longer than its age an ID is known) the model gives
// one of them, and the generators of package sim keep away from the other.
package model
