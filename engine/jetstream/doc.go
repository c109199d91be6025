// Package jetstream is the log engine on NATS JetStream: a stream for each
// partition and generation, a message for each record.
//
//	log, err := jetstream.Open(ctx, jetstream.Options{
//		URL: "nats://a:4222,nats://b:4222,nats://c:4222", Name: "shop",
//		Monitor: []string{"http://a:8222", "http://b:8222", "http://c:8222"},
//	})
//
// # What a message is
//
// An envelope of 64 bytes and the record. The envelope names the predecessor
// by index, hash and slot, and has a checksum over everything and the name of
// the stream. A slot is a message's sequence, less the proofs that stand
// before the first record.
//
// # What an acknowledgement means
//
// A majority of the servers that hold the stream have synced the record, if
// they run with sync_interval: always. Open asks their monitoring, refuses
// whatever else it finds, and refuses what it cannot see, unless
// Options.AcceptWeakDurability is set; then Guarantees says what is weak.
//
// # One successor
//
// A stream's leader compares the expected last sequence before it proposes a
// message: a number and no identity, and while leaders change, not the last
// word. So it only saves waste. The successor of a record is the first message
// behind it that names it by index and hash (L2), and every answer but an
// acknowledgement at the expected sequence is settled by reading. A late copy,
// and what a stale writer got past a server, is a void.
//
// A message has no Nats-Msg-Id, since JetStream knows copies from memory and
// acknowledges one whose original the stream has lost. The connection keeps
// nothing while it is disconnected (see Dial).
//
// # Reading
//
// Messages are asked of the leader one by one, several at a time. A consumer
// passes over holes in silence; here a missing message is a *Damage, once it
// has been missing for a second. Damage stops nothing else, and nothing is
// repaired: the engine has no other copy.
//
// # What it needs of NATS
//
// Servers from 2.14.9 or 2.15.2 on, with max_payload: 9MB. A client that may
// publish to mainstem.> and $JS.API.STREAM.*.mainstem-> subjects, and
// subscribe to mainstem.> and its inbox. Nobody else should have the former.
package jetstream
