// Package serving shows what a server does, for Prometheus: its calls, its
// connections, and who was turned away. What the calls do in the database is told by
// package observe.
//
//	watch := &serving.Metrics{}
//	gate, err := access.Open(file, access.Count(watch.Refused))
//	…
//	watch.Server = server.New(db.Backend(), server.Guard(access.Guarded))
//	prometheus.MustRegister(watch)
//	err = server.HTTP(access.Middleware(gate, watch.Server)).Serve(watch.Listener(listener))
//
// Every metric is in docs/reference/metrics.md.
package serving

import (
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/server"
)

// Metrics is a prometheus.Collector. The zero Metrics is ready. Register it once,
// with its Server set; two in one registry need a label each: see
// prometheus.WrapRegistererWith.
type Metrics struct {
	Server *server.Server

	refused        [len(reasons)]atomic.Uint64
	connections    atomic.Int64
	received, sent atomic.Uint64
}

// reasons are those of access. The length is what a test holds to it.
var reasons = [...]access.Reason{
	access.Unknown, access.Gone, access.NoRight, access.OtherActor,
	access.TooMany, access.TooManyAtOnce, access.TooManyFeeds, access.TooLong,
}

// Refused counts a request that was refused for who sent it. Give it to access.Count.
func (m *Metrics) Refused(r access.Refusal) {
	if i := slices.Index(reasons[:], r.Reason); i >= 0 {
		m.refused[i].Add(1)
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mainstem_server_"+name, help, labels, nil)
}

var (
	descCalls       = desc("calls_total", "Calls of the server that ended, by what they came to; each transaction of a stream is one.", "call", "outcome")
	descRunning     = desc("calls_running", "Calls of the server that run now; a stream is one for as long as it lasts.", "call")
	descRefused     = desc("refused_total", "Requests that were refused for who sent them, by why.", "reason")
	descViews       = desc("open_views", "Views that clients hold open; 4096 is the limit.")
	descFeeds       = desc("open_feeds", "Feeds that clients read; 4096 is the limit.")
	descPlaces      = desc("transactions_limit", "Transactions that may be under way now; 16384, or fewer while they are slow.")
	descDraining    = desc("draining", "1 once the server was told to go, else 0.")
	descConnections = desc("connections", "Connections that are open.")
	descReceived    = desc("received_bytes_total", "Bytes that came over connections.")
	descSent        = desc("sent_bytes_total", "Bytes that went over connections.")
)

// Describe is for the registry.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descCalls, descRunning, descRefused, descViews, descFeeds, descPlaces, descDraining, descConnections, descReceived, descSent,
	} {
		to <- d
	}
}

// Collect is for the registry.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	f := m.Server.Figures()
	for _, c := range f.Calls {
		tell(descRunning, prometheus.GaugeValue, float64(c.Running), c.Call)
		// What has never happened is there as 0, so that the first time is an increase.
		tell(descCalls, prometheus.CounterValue, float64(c.Done), c.Call, "done")
		for _, code := range mainstem.Codes() {
			tell(descCalls, prometheus.CounterValue, float64(c.Failed[code]), c.Call, code.String())
		}
	}
	for i, why := range reasons {
		tell(descRefused, prometheus.CounterValue, float64(m.refused[i].Load()), string(why))
	}
	tell(descViews, prometheus.GaugeValue, float64(f.Views))
	tell(descFeeds, prometheus.GaugeValue, float64(f.Feeds))
	tell(descPlaces, prometheus.GaugeValue, float64(f.Transactions))
	draining := 0.0
	if f.Draining {
		draining = 1
	}
	tell(descDraining, prometheus.GaugeValue, draining)
	tell(descConnections, prometheus.GaugeValue, float64(m.connections.Load()))
	tell(descReceived, prometheus.CounterValue, float64(m.received.Load()))
	tell(descSent, prometheus.CounterValue, float64(m.sent.Load()))
}
