package peer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/mainstemdb/mainstem/internal/process"
)

// natsServers are NATS servers with JetStream in this process, one or a cluster over the
// loopback interface, that sync before they acknowledge.
type natsServers []*server.Server

// replicated is how many servers a cluster has, and replicas a stream on it.
const replicated = 3

func startNATS(ctx context.Context, dir string, n int) (natsServers, error) {
	ports, err := process.Ports(n)
	if err != nil {
		return nil, err
	}
	routes := make([]string, n)
	for i, port := range ports {
		routes[i] = "nats://127.0.0.1:" + strconv.Itoa(port)
	}
	var all natsServers
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprint("bench-", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, MaxPayload: 9 << 20,
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint("nats-", i)), SyncAlways: true, JetStreamMaxStore: 64 << 30, JetStreamMaxMemory: 1 << 30,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: ports[i], NoAdvertise: true}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}
		ns, err := server.NewServer(o)
		if err != nil {
			return nil, errors.Join(err, all.stop())
		}
		all = append(all, ns)
		ns.Start()
	}
	if err := all.ready(ctx); err != nil {
		return nil, errors.Join(err, all.stop())
	}
	return all, nil
}

// ready waits until every server takes connections, and a cluster has a leader.
func (all natsServers) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !all.current() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("the NATS servers did not become ready")
		}
	}
	return nil
}

func (all natsServers) current() bool {
	led := len(all) == 1
	for _, ns := range all {
		if !ns.ReadyForConnections(time.Millisecond) || len(all) > 1 && !ns.JetStreamIsCurrent() {
			return false
		}
		led = led || ns.JetStreamIsLeader()
	}
	return led
}

// urls are where clients reach them.
func (all natsServers) urls() string {
	var urls []string
	for _, ns := range all {
		urls = append(urls, ns.ClientURL())
	}
	return strings.Join(urls, ",")
}

func (all natsServers) stop() error {
	for _, ns := range all {
		ns.Shutdown()
	}
	for _, ns := range all {
		ns.WaitForShutdown()
	}
	return nil
}

// settings are those that count.
func (all natsServers) settings() map[string]string {
	return map[string]string{
		"servers": fmt.Sprintf("%d, embedded, over loopback", len(all)), "replicas": strconv.Itoa(len(all)), "storage": "file",
		"sync_interval": "always", "version": server.VERSION,
	}
}
