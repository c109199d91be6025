// Package webhook hands events of package pg on by HTTP: one signed POST for each,
// in the order of its stream, again under the same ID until it is taken.
//
//	sink, err := webhook.New(webhook.Config{
//		URL: "https://example.com/hook", Source: "shop", Secrets: []string{secret},
//	})
//	…
//	err = relay.Consume(ctx, pg.Consumer{Name: "hook", Deliver: sink.Deliver})
//
// A request has one event and not a batch of them, because what is repeated after
// a failure is grouped otherwise than the first time: only an event has an ID that
// lasts, and only an event can be refused without its neighbours. Where one request
// after the other is too slow, Parallel sends different streams at once.
//
// The body is a CloudEvent in structured JSON, so that stream, type and position are
// signed like the data. The signature is that of Standard Webhooks. A receiver
// checks it with Receiver.Verify, and does what must happen once under Message.ID.
//
// What a receiver answers decides what becomes of the event:
//
//   - 2xx: it is taken.
//   - 408, 425, 429, 5xx, no answer in time, no connection: the way fails. The
//     event is sent again for as long as it takes, after Retry-After if there is one.
//   - 3xx, 401, 403, 404, 405, 407: nothing in an event makes it so, and every
//     other event would be answered alike. The way fails, until somebody mends the
//     URL, the secret or the receiver. Redirects are not followed.
//   - any other 4xx, 410 among them: the event is refused, and parked after
//     Consumer.Attempts.
//
// The URL is the operator's own. Do not let strangers choose it: nothing here keeps
// a request from private networks. A Transport whose dialer looks at addresses can.
//
// Sources: "Standard Webhooks" 1.0.0; CloudEvents 1.0.2, JSON format; RFC 9110
// for Retry-After.
package webhook
