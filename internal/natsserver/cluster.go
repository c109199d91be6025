// Package natsserver runs NATS servers with JetStream, set up as a log needs them,
// for demonstrations and measurements.
package natsserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/mainstemdb/mainstem/internal/process"
)

// ErrMissing says that there is no nats-server on the PATH.
var ErrMissing = errors.New("no nats-server on the PATH: make .tmp/bin/nats-server builds the pinned one")

// Cluster are servers on the loopback interface, with a directory of their own.
type Cluster struct {
	dir     string
	servers []*server
}

type server struct {
	client, route, monitor int
	process                *process.Process
}

// Start runs so many servers, which sync before they acknowledge, and waits until
// JetStream works on each.
func Start(ctx context.Context, n int) (*Cluster, error) {
	program, err := exec.LookPath("nats-server")
	if err != nil {
		return nil, ErrMissing
	}
	dir, err := os.MkdirTemp("", "nats-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir}
	ports, err := process.Ports(3 * n)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for i := range n {
		c.servers = append(c.servers, &server{client: ports[3*i], route: ports[3*i+1], monitor: ports[3*i+2]})
	}
	for i, s := range c.servers {
		file := filepath.Join(dir, fmt.Sprintf("n%d.conf", i))
		if err := os.WriteFile(file, []byte(c.settings(i)), 0o600); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		if s.process, err = process.Start(exec.Command(program, "-c", file)); err != nil { //nolint:noctx // it outlives the call
			return nil, errors.Join(err, c.Close())
		}
	}
	for i, s := range c.servers {
		if err := s.process.Ready(ctx, func(ctx context.Context) error { return healthy(ctx, c.Monitor(i)) }); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// settings are what somebody would write who wants nothing lost. Servers do not tell
// clients of each other, so that each client keeps to its way.
func (c *Cluster) settings(i int) string {
	s, routes := c.servers[i], []string{}
	for _, other := range c.servers {
		routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(other.route))
	}
	text := fmt.Sprintf(`server_name: n%d
listen: "127.0.0.1:%d"
http: "127.0.0.1:%d"
max_payload: 9MB
jetstream { store_dir: %q, sync_interval: always }
`, i, s.client, s.monitor, filepath.Join(c.dir, fmt.Sprintf("n%d", i)))
	if len(c.servers) > 1 {
		text += fmt.Sprintf("cluster { name: log, listen: \"127.0.0.1:%d\", no_advertise: true, routes: [ %s ] }\n", s.route, strings.Join(routes, ", "))
	}
	return text
}

func healthy(ctx context.Context, monitor string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, monitor+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s (%w)", answer.Status, err)
	}
	return nil
}

// Size is how many servers there are.
func (c *Cluster) Size() int { return len(c.servers) }

// Addr is host and port of one server, for its clients.
func (c *Cluster) Addr(i int) string { return "127.0.0.1:" + strconv.Itoa(c.servers[i].client) }

// Monitor is where a server shows its settings.
func (c *Cluster) Monitor(i int) string {
	return "http://127.0.0.1:" + strconv.Itoa(c.servers[i].monitor)
}

// Close ends the servers and removes what they stored.
func (c *Cluster) Close() error {
	var errs []error
	for _, s := range c.servers {
		if s.process != nil {
			errs = append(errs, s.process.End(syscall.SIGTERM))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
