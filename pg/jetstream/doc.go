// Package jetstream hands events of package pg on to a stream of NATS JetStream,
// each once.
//
//	sink, err := jetstream.New(jetstream.Config{
//		Conn: conn, Stream: "EVENTS", Prefix: "shop", Source: "shop",
//	})
//	…
//	err = relay.Consume(ctx, pg.Consumer{Name: "nats", Deliver: sink.Deliver})
//
// An event of the stream "order/17" is published on the subject shop.order.17: see
// Subject. Its data is the message, as it was appended; what else there is to say
// is in headers named as CloudEvents does, with "ce-" before them, percent-encoded
// where a header could not carry it: id, source, type, subject (the stream), time,
// position, version, actor, request and trace.
//
// Once. Each message names the last sequence of its subject that it expects, so the
// server refuses what was published before, and what a paused process publishes
// after another has gone on. Then the sink looks at the newest message of the
// subject and goes on behind its position. That holds for as long as the JetStream
// stream keeps the newest message of each subject, however long a retry takes. Where
// it does not (MaxAge has passed, work-queue retention, a purge), the
// Nats-Msg-Id of Source and position is what keeps a message from being there twice,
// within the stream's Duplicates window, which is 2 minutes unless it says
// otherwise; beyond both, a message that is repeated is there again, under its ID.
//
// Order is that of each stream, for good: an event is published when the one before
// it in its stream is acknowledged. Streams of a batch are published side by side. So
// a batch of many streams takes as many round trips as the longest of them has
// events.
//
// Nobody else publishes on subjects below Prefix. Events behind the newest message
// of their subject count as published: so a schema that begins anew needs a new
// Source, and to publish events again, purge the JetStream stream first.
//
// An acknowledgement means what the server is set to: with SyncInterval, its default,
// a machine that crashes can lose what it acknowledged, unless replicas on others
// have it.
//
// An event that is too large for the server or the stream is parked. Everything else
// is the way's: it is tried for as long as it takes.
package jetstream
