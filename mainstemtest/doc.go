// Package mainstemtest is for the tests of services that use Mainstem: a
// database in memory, one on a disk that fails on command, a clock that moves
// on command, and a Backend that behaves like a bad network.
//
//	db := mainstemtest.Open(t)
//	net := mainstemtest.NewFlaky(db.Backend())
//	service := NewService(mainstem.New(net))
//	net.Next(mainstemtest.LoseReply)
//	service.Buy(ctx, "order-7") // commits; its answer is lost; the retry must not buy twice
//
// Everything can be used from many goroutines.
package mainstemtest
