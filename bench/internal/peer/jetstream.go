package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	jetstreamPeer = Peer{Name: "jetstream", Kinds: []Kind{CAS, Add, Append, Get}, Open: jetStream(1)}
	// With replicas a read of a bucket would not be linearizable.
	jetstreamR3Peer = Peer{Name: "jetstream-r3", Kinds: []Kind{CAS}, Open: jetStream(replicated)}
)

// jet is JetStream on embedded servers, reached over the loopback interface by
// several connections.
type jet struct {
	servers natsServers
	conns   []*nats.Conn
	kv      []jetstream.KeyValue // one per connection
	js      []jetstream.JetStream
	// repeated counts what was asked again, because no answer came.
	repeated atomic.Int64
}

const jetConnections = 16

func jetStream(servers int) func(context.Context, Config) (System, error) {
	return func(ctx context.Context, c Config) (System, error) {
		s, err := openJetStream(ctx, c, servers)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

func openJetStream(ctx context.Context, c Config, servers int) (*jet, error) {
	all, err := startNATS(ctx, c.Dir, servers)
	if err != nil {
		return nil, err
	}
	s := &jet{servers: all}
	for range min(c.Clients, jetConnections) {
		if err := s.connect(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	_, err = s.kv[0].Put(ctx, "counter", binary.BigEndian.AppendUint64(nil, counterStart))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *jet) connect(ctx context.Context) error {
	conn, err := nats.Connect(s.servers.urls())
	if err != nil {
		return err
	}
	s.conns = append(s.conns, conn)
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "keys", Storage: jetstream.FileStorage, Replicas: len(s.servers), History: 1})
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}, Storage: jetstream.FileStorage, Replicas: len(s.servers)})
	s.kv, s.js = append(s.kv, kv), append(s.js, js)
	return err
}

// Do runs one operation. Versions of keys are sequences of the bucket's stream.
func (s *jet) Do(ctx context.Context, op *Op) (uint64, error) {
	kv := s.kv[op.Client%len(s.kv)]
	switch op.Kind {
	case CAS:
		return s.compareAndSet(ctx, kv, op)
	case Add:
		return 0, jetTake(ctx, kv)
	case Append:
		// The expected version is the sequence of the subject's last event.
		ack, err := s.js[op.Client%len(s.js)].Publish(ctx, "events."+digits(op.Client), op.Value,
			jetstream.WithExpectLastSequencePerSubject(op.Version))
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	case Get:
		// A bucket of one server answers from its leader.
		e, err := kv.Get(ctx, keyName(op.Key))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return e.Revision(), nil
	default:
		return 0, unsupported(op.Kind)
	}
}

// compareAndSet asks again where no answer came, as whoever uses a bucket has to: a server
// that is full drops messages, and a leader that changes forgets who waits.
func (s *jet) compareAndSet(ctx context.Context, kv jetstream.KeyValue, op *Op) (uint64, error) {
	name := keyName(op.Key)
	for unsure := false; ; unsure = true {
		var version uint64
		var err error
		if op.Version == 0 {
			version, err = kv.Create(ctx, name, op.Value)
		} else {
			version, err = kv.Update(ctx, name, op.Value, op.Version)
		}
		if unsure && (errors.Is(err, jetstream.ErrKeyExists) || wrongLast(err)) {
			e, err := kv.Get(ctx, name)
			if err == nil && !bytes.Equal(e.Value(), op.Value) {
				err = errVersion
			}
			if err != nil {
				return 0, err
			}
			return e.Revision(), nil // the one that was not answered
		}
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) {
			return version, err
		}
		s.repeated.Add(1)
	}
}

func wrongLast(err error) bool {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	return ok && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// jetTake reads and compares until it wins: the bucket has no counters here.
func jetTake(ctx context.Context, kv jetstream.KeyValue) error {
	for {
		e, err := kv.Get(ctx, "counter")
		if err != nil {
			return err
		}
		n := binary.BigEndian.Uint64(e.Value())
		if n == 0 {
			return errors.New("the counter is at its floor")
		}
		_, err = kv.Update(ctx, "counter", binary.BigEndian.AppendUint64(nil, n-1), e.Revision())
		if !wrongLast(err) {
			return err
		}
	}
}

// Settings are those that count.
func (s *jet) Settings() map[string]string {
	settings := s.servers.settings()
	settings["connections"] = fmt.Sprint(len(s.conns))
	if n := s.repeated.Load(); n > 0 {
		settings["unanswered"] = fmt.Sprintf("%d times, after 5 s each; then asked again", n)
	}
	return settings
}

func (s *jet) Close() error {
	for _, c := range s.conns {
		c.Close()
	}
	return s.servers.stop()
}
