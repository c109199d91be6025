// Package kafka hands events of package pg on to a topic of Kafka.
//
//	sink, err := kafka.New(kafka.Config{Brokers: []string{"broker:9092"}, Topic: "events", Source: "shop"})
//	…
//	defer sink.Close()
//	err = relay.Consume(ctx, pg.Consumer{Name: "kafka", Deliver: sink.Deliver})
//
// A record's key is the name of the event's stream, so that a stream is in one
// partition and in order there; its value is the event's data, as it was appended.
// What else there is to say is in headers named as CloudEvents does, with "ce_"
// before them: id, source, type, subject (the stream), time, position, version,
// actor, request and trace. A record's timestamp is when it was sent, so that the
// topic's retention begins then.
//
// A batch counts as delivered when every in-sync replica has all of it (acks=all);
// how many those must be is the topic's to say (min.insync.replicas). The producer
// is idempotent: while its session lasts, a record that it sends again is there
// once. A session ends with the process, when another takes over, and when no answer
// came within Timeout. What was under way then can be there twice, under the same
// ID, and even after later records of its stream. So a consumer that must not do
// things twice keeps, for each source and stream, the newest ce_position that it
// has done, and passes over what is not higher. First appearances are in order.
//
// When partitions are added to a topic, Kafka moves streams to others, and their
// order is the consumer's to mend in the same way.
//
// A record that is too large or invalid to the broker is parked. Everything else,
// such as a topic that does not exist or a right that is missing, no event is the
// reason of: it is tried for as long as it takes.
//
// The tests run against a broker in memory (kfake), in which faults can be planted,
// and not against Apache Kafka.
package kafka
