package jetstream

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mainstemdb/mainstem/journal"
)

// Limits of the options.
const (
	// LimitName is the longest name of a log, in bytes.
	LimitName = 64
	// MinPayload is the least max_payload, in bytes, of a server that holds a
	// log: a record of journal.MaxRecord, its envelope and its headers.
	MinPayload = journal.MaxRecord + envelope + 192
	// DefaultTimeout is how long a call tries unless Options.Timeout says so.
	DefaultTimeout = 10 * time.Second
	// DefaultAckWait is how long one message waits for its acknowledgement
	// unless Options.AckWait says so.
	DefaultAckWait = time.Second
	// Poll is how often Wait looks when it hears nothing.
	Poll = time.Second
	// LimitAhead is how many messages a Read asks for at a time, at most.
	LimitAhead = 32
)

// Options say where a log lives and how. Name and one of URL and Conn are
// required.
type Options struct {
	// URL is one or more NATS servers, as nats.Connect takes them. The log
	// makes a connection of its own and closes it.
	URL string
	// NATS are further options of that connection, for credentials and TLS. What
	// Dial sets stays.
	NATS []nats.Option
	// Conn is a connection made by Dial, which several logs can share. It is
	// the caller's to close.
	Conn *nats.Conn

	// Name is the database's: 1 to 64 of a-z, 0-9 and hyphens, and the first
	// is a letter or a digit. With Partition and Generation it makes the name
	// of the stream, for example mainstem-shop-p0-g1.
	Name string
	// Partition is the partition's number.
	Partition uint32
	// Generation counts the streams that the partition has lived in; 0 means
	// 1, the first.
	Generation uint64

	// Replicas is how many servers hold the stream: 1, 3 or 5; 0 means 3. A
	// stream that exists may have more. One replica is weak.
	Replicas int
	// Monitor says where the servers tell their settings, each either
	// http(s)://HOST:PORT of one server's monitoring, or nats://… with the
	// credentials of a user of the system account, which asks all. A server
	// that is not seen counts as one that does not sync.
	Monitor []string
	// AcceptWeakDurability opens a log that can lose what it acknowledges. Its
	// Guarantees say why.
	AcceptWeakDurability bool

	// Timeout is how long Append, Confirm and the parts of a Read try before
	// they give up; 0 means 10 s. The loss of a stream's leader takes a
	// cluster 4 to 7 s. A stream that ends before what this log has seen of
	// it, for twice as long, has lost it.
	Timeout time.Duration
	// AckWait is how long one message waits for its acknowledgement before it
	// is sent again; 0 means 1 s. Sending again is harmless: a record is in
	// the chain once.
	AckWait time.Duration

	// meta is what the stream says of its database, if it is made.
	meta map[string]string
}

// errOptions is every error of options that cannot be.
var errOptions = errors.New("jetstream: options")

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

func (o Options) withDefaults() (Options, error) {
	if o.Generation == 0 {
		o.Generation = 1
	}
	if o.Replicas == 0 {
		o.Replicas = 3
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.AckWait == 0 {
		o.AckWait = DefaultAckWait
	}
	switch {
	case len(o.Name) > LimitName || !validName.MatchString(o.Name):
		return o, fmt.Errorf("%w: Name is %q: use 1 to %d of a-z, 0-9 and hyphens, beginning with a letter or digit", errOptions, o.Name, LimitName)
	case (o.URL == "") == (o.Conn == nil):
		return o, fmt.Errorf("%w: URL and Conn: give exactly one of them", errOptions)
	case o.Replicas != 1 && o.Replicas != 3 && o.Replicas != 5:
		return o, fmt.Errorf("%w: Replicas is %d: use 1, 3 or 5", errOptions, o.Replicas)
	case o.AckWait < time.Millisecond || o.Timeout < o.AckWait:
		return o, fmt.Errorf("%w: AckWait is %v and Timeout %v: AckWait is at least 1 ms, and Timeout at least that", errOptions, o.AckWait, o.Timeout)
	}
	return o, nil
}

// stream is the name of the log's stream.
func (o *Options) stream() string {
	return fmt.Sprintf("mainstem-%s-p%d-g%d", o.Name, o.Partition, o.Generation)
}

// subject is where its messages are published.
func (o *Options) subject() string {
	return fmt.Sprintf("mainstem.%s.p%d.g%d", o.Name, o.Partition, o.Generation)
}

// news is where the servers tell of each message that is stored.
func (o *Options) news() string { return o.subject() + ".news" }
