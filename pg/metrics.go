package pg

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
)

// Metrics is what this process measures of its own work: give it to DB.Metrics, and
// register it with Prometheus, once each. What is in the database, whoever did it,
// is told by Gauges.
//
// Units are seconds and bytes. Labels are bounded: outcomes, codes, kinds, and the
// names of consumers, never keys or streams. Durations are histograms with classic
// buckets, and native ones for a Prometheus that takes them. Every name is in
// docs/reference/metrics.md.
type Metrics struct {
	requests        *prometheus.CounterVec
	requestSeconds  *prometheus.HistogramVec
	requestRepeats  *prometheus.CounterVec
	appendedEvents  prometheus.Counter
	appendedBytes   prometheus.Counter
	appendErrors    *prometheus.CounterVec
	relaySeconds    *prometheus.CounterVec
	numbered        prometheus.Counter
	drainEvents     prometheus.Observer
	drainSeconds    prometheus.Observer
	deliveries      *prometheus.CounterVec
	delivered       *prometheus.CounterVec
	deliveryEvents  *prometheus.HistogramVec
	deliverySeconds *prometheus.HistogramVec
	deliveryDelay   *prometheus.HistogramVec
	parked          *prometheus.CounterVec
	leases          *prometheus.CounterVec
	leasesLost      *prometheus.CounterVec
	renewalErrors   *prometheus.CounterVec
	fenced          *prometheus.CounterVec
	keysDeleted     prometheus.Counter
	tablesEmptied   prometheus.Counter
	reads           *prometheus.CounterVec
	readWait        prometheus.Observer
	passedOver      *prometheus.CounterVec

	all []prometheus.Collector
}

// metricPrefix begins the name of every metric of this package.
const metricPrefix = "mainstem_pg_"

// NewMetrics makes metrics that stand at 0. Two in one registry need a label each:
// see prometheus.WrapRegistererWith.
func NewMetrics() *Metrics {
	m := &Metrics{}
	m.ofRequests()
	m.ofEvents()
	m.ofLeases()
	m.ofReads()
	return m
}

// What a request can come to that is no code.
const (
	outcomeDone     = "done"
	outcomeRefused  = "refused"
	outcomeReplayed = "replayed"
	outcomeFailed   = "failed"  // its function's own error, or its panic
	outcomeClaimed  = "claimed" // somebody has to say what became of it
)

func (m *Metrics) ofRequests() {
	m.requests = m.counters("requests_total", "Requests under a key, by what they came to.", "outcome")
	m.requestSeconds = m.seconds("request_duration_seconds", "How long a request took: with Run from before BEGIN until COMMIT is answered, with Once without both.", "outcome")
	m.requestRepeats = m.counters("request_repeats_total", "How often Run ran a transaction again, by why.", "code")
	m.keysDeleted = m.counters("keys_deleted_total", "Keys of requests that were deleted beyond their age.").WithLabelValues()
	// What has never happened is there as 0, so that the first time is an increase.
	for _, outcome := range []string{outcomeDone, outcomeRefused, outcomeReplayed, outcomeFailed, outcomeClaimed} {
		m.requests.WithLabelValues(outcome)
	}
	for _, code := range []mainstem.Code{mainstem.InProgress, mainstem.IDReused, mainstem.TooOld, mainstem.RetryTransaction, mainstem.Undecided, mainstem.Unavailable, mainstem.Cancelled} {
		m.requests.WithLabelValues(code.String())
	}
	for _, code := range []mainstem.Code{mainstem.RetryTransaction, mainstem.Undecided, mainstem.Unavailable, mainstem.InProgress} {
		m.requestRepeats.WithLabelValues(code.String())
	}
}

// Whether a relay that numbers looks for events, or sleeps until it is woken.
const (
	relayAwake  = "awake"
	relayAsleep = "asleep"
)

// What became of a delivery.
const (
	deliveryTaken  = "taken"
	deliveryAgain  = "again"  // the way failed: the same is given again
	deliveryFailed = "failed" // the events are given one by one, or parked
)

func (m *Metrics) ofEvents() {
	m.appendedEvents = m.counters("appended_events_total", "Events staged, also where the caller then rolled back.").WithLabelValues()
	m.appendedBytes = m.counters("appended_bytes_total", "Types and data of events staged, also where the caller then rolled back.").WithLabelValues()
	m.appendErrors = m.counters("append_errors_total", "Appends that staged nothing, by why; conflict is a versioned stream at another version.", "code")
	m.appendErrors.WithLabelValues(mainstem.Conflict.String())
	m.relaySeconds = m.counters("relay_seconds_total", "How long this process has held the numbering, awake and asleep; it rises in one process of all.", "state")
	m.relaySeconds.WithLabelValues(relayAwake)
	m.relaySeconds.WithLabelValues(relayAsleep)
	m.numbered = m.counters("numbered_events_total", "Events that got a position.").WithLabelValues()
	m.drainEvents = m.counts("drain_events", "Events numbered in one transaction, where there were any.").WithLabelValues()
	m.drainSeconds = m.seconds("drain_duration_seconds", "How long a transaction took that numbered events.").WithLabelValues()
	m.deliveries = m.counters("deliveries_total", "Calls of a consumer's function, by what became of them.", "consumer", "outcome")
	m.delivered = m.counters("delivered_events_total", "Events that a consumer took.", "consumer")
	m.deliveryEvents = m.counts("delivery_events", "Events in one call of a consumer's function.", "consumer")
	m.deliverySeconds = m.seconds("delivery_duration_seconds", "How long a call of a consumer's function took.", "consumer")
	m.deliveryDelay = m.seconds("delivery_delay_seconds", "From when an event was appended, by the server's clock, until a consumer took it, by this process's.", "consumer")
	m.parked = m.counters("parked_events_total", "Events that a consumer parked, with those that only wait for one.", "consumer")
	m.tablesEmptied = m.counters("tables_emptied_total", "Tables of the ring whose events were all delivered, emptied.").WithLabelValues()
}

// Whose a lease or a token is.
const (
	kindRelay    = "relay"
	kindConsumer = "consumer"
	kindOther    = "other" // a lease of the caller's, or a resource
)

func (m *Metrics) ofLeases() {
	m.leases = m.counters("leases_acquired_total", "Leases that Hold got; those of the relay and of consumers mean that they began here.", "kind")
	m.leasesLost = m.counters("leases_lost_total", "Leases that Hold lost while its function ran.", "kind")
	m.renewalErrors = m.counters("lease_renewal_errors_total", "Renewals that failed, also where the next one was in time.", "kind")
	m.fenced = m.counters("fenced_total", "What was refused because a higher token had been seen.", "kind")
	for _, kind := range []string{kindRelay, kindConsumer, kindOther} {
		for _, c := range []*prometheus.CounterVec{m.leases, m.leasesLost, m.renewalErrors, m.fenced} {
			c.WithLabelValues(kind)
		}
	}
}

// Who served a session's read.
const (
	readReplica = "replica" // at once
	readWaited  = "waited"  // a replica that had to be waited for
	readPrimary = "primary"
	readRefused = "refused" // nobody can be shown to have it: history_lost
	readFailed  = "failed"  // before the caller's function ran
)

// Why a replica is passed over.
const (
	replicaUnfit  = "unfit"
	replicaBroken = "broken"
)

func (m *Metrics) ofReads() {
	m.reads = m.counters("reads_total", "Reads of sessions, by who served them.", "outcome")
	m.readWait = m.seconds("read_wait_seconds", "How long reads waited for a replica to replay what they need, where they had to.").WithLabelValues()
	m.passedOver = m.counters("replicas_passed_over_total", "How often a replica was passed over for a while, by why.", "reason")
	for _, outcome := range []string{readReplica, readWaited, readPrimary, readRefused, readFailed} {
		m.reads.WithLabelValues(outcome)
	}
	m.passedOver.WithLabelValues(replicaUnfit)
	m.passedOver.WithLabelValues(replicaBroken)
}

// ofConsumer makes the counters of a consumer stand at 0.
func (m *Metrics) ofConsumer(name string) {
	if m == nil {
		return
	}
	for _, outcome := range []string{deliveryTaken, deliveryAgain, deliveryFailed} {
		m.deliveries.WithLabelValues(name, outcome)
	}
	m.delivered.WithLabelValues(name)
	m.parked.WithLabelValues(name)
}

// Describe is for the registry.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(to)
	}
}

// Collect is for the registry.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(to)
	}
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricPrefix + name, Help: help}, labels)
	m.all = append(m.all, c)
	return c
}

// seconds is for durations: from half a millisecond, a round trip, to the half
// minute after which nobody waits any more.
func (m *Metrics) seconds(name, help string, labels ...string) *prometheus.HistogramVec {
	return m.histograms(name, help, []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, labels)
}

// counts is for sizes of batches.
func (m *Metrics) counts(name, help string, labels ...string) *prometheus.HistogramVec {
	return m.histograms(name, help, []float64{1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 10_000, 100_000}, labels)
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels []string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: metricPrefix + name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
	}, labels)
	m.all = append(m.all, h)
	return h
}
