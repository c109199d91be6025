package kafka_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mainstemdb/mainstem/internal/outbox"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg/kafka"
)

func TestMain(m *testing.M) { outbox.Main(m) }

const partitions = 3

// broker is a cluster of one broker on files, which can go and come back.
type broker struct {
	t       *testing.T
	cluster *kfake.Cluster
	port    int
	dir     string
	configs map[string]string
}

func newBroker(t *testing.T, configs map[string]string) *broker {
	b := &broker{t: t, dir: t.TempDir(), configs: configs}
	b.up()
	t.Cleanup(func() { b.cluster.Close() })
	return b
}

func (b *broker) up() {
	b.t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(b.port), kfake.DataDir(b.dir), kfake.SyncWrites(),
		kfake.SeedTopics(partitions, "events"), kfake.BrokerConfigs(b.configs))
	if err != nil {
		b.t.Fatal(err)
	}
	b.cluster = c
	_, port, err := net.SplitHostPort(b.addr())
	if err != nil {
		b.t.Fatal(err)
	}
	if b.port, err = strconv.Atoi(port); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) addr() string { return b.cluster.ListenAddrs()[0] }

// proxy stands before the broker; over is how a client goes through it, whatever
// address a broker tells it.
func (b *broker) proxy() (p *proxy.Proxy, over kgo.Opt) {
	b.t.Helper()
	p, err := proxy.To(b.addr())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = p.Close() })
	return p, kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Addr())
	})
}

// sink sends to the broker.
func (b *broker) sink(change func(*kafka.Config)) *kafka.Sink {
	b.t.Helper()
	c := kafka.Config{Brokers: []string{b.addr()}, Topic: "events", Source: "s1"}
	if change != nil {
		change(&c)
	}
	sink, err := kafka.New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(sink.Close)
	return sink
}

// stored is everything that the topic has, each partition in its order, read until
// there are so many records and then as far as it goes.
func (b *broker) stored(atLeast int) *outbox.Arrivals {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr()), kgo.ConsumeTopics("events"), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	all, n, of := &outbox.Arrivals{}, 0, map[string]int32{}
	for ends := b.ends(); n < atLeast || n < ends; {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err(); err != nil {
			b.t.Fatalf("%d records of %d: %v", n, atLeast, err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			stream := string(r.Key)
			if headers["ce_subject"] != stream || r.Value == nil {
				b.t.Errorf("a record with the key %s and a value %q is said to be of stream %s", stream, r.Value, headers["ce_subject"])
			}
			if p, known := of[stream]; known && p != r.Partition {
				b.t.Errorf("stream %s is in partitions %d and %d", stream, p, r.Partition)
			}
			of[stream] = r.Partition
			all.Add(outbox.Arrival{ID: headers["ce_id"], Stream: stream, Data: string(r.Value)})
			n++
		})
	}
	return all
}

// ends is how many records the topic has.
func (b *broker) ends() (n int) {
	for _, p := range b.cluster.PartitionInfos("events") {
		n += int(p.HighWatermark)
	}
	return n
}
