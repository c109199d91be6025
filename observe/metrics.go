package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem/internal/tally"
)

// metricPrefix begins the name of every metric of this package.
const metricPrefix = "mainstem_"

// described are the metrics of this package, for Describe: those of an Observer,
// or those of Gauges.
type described []*prometheus.Desc

func (d *described) add(name, help string, labels ...string) *prometheus.Desc {
	desc := prometheus.NewDesc(metricPrefix+name, help, labels, nil)
	*d = append(*d, desc)
	return desc
}

var (
	ofCalls described

	descCalls       = ofCalls.add("calls_total", "Calls of the database, by kind and by what they came to.", "kind", "outcome")
	descCallSeconds = ofCalls.add("call_duration_seconds", "How long calls took; a commit until it is durable.", "kind", "outcome")
	descRunning     = ofCalls.add("calls_running", "Calls that run now.", "kind")
	descViews       = ofCalls.add("views_total", "Views, by the consistency they asked for, and whether they got it.", "consistency", "outcome")
	descStale       = ofCalls.add("views_stale_total", "Views of a group that did not show a commit which this process had been told of before it asked; the past that was asked for is none.", "consistency")
	descViewsOpen   = ofCalls.add("views_open", "Views that are open now; each holds what it shows.")
	descFeeds       = ofCalls.add("feeds_open", "Feeds that are read now.", "follower")
	descFeedsEnded  = ofCalls.add("feeds_ended_total", "Feeds that ended with an error.", "code")
	descChanges     = ofCalls.add("feed_changes_total", "Changes that feeds gave to their readers.", "follower")
	descBehind      = ofCalls.add("feed_behind_positions", "Positions since the first change that a reader is not done with, the most of all feeds; 0 while they wait for changes.", "follower")
	descBehindAge   = ofCalls.add("feed_behind_seconds", "How long ago the first change was written that a reader is not done with, the most of all feeds; 0 while they wait for changes.", "follower")
	descDeliveries  = ofCalls.add("deliveries_total", "Batches given to a function, by what became of them.", "follower", "outcome")
	descDelivery    = ofCalls.add("delivery_duration_seconds", "How long a delivery took, with its commit.", "follower")
	descDelay       = ofCalls.add("delivery_delay_seconds", "From when a change was written until its delivery had committed, by the wall clock.", "follower")
	descVerified    = ofCalls.add("verifications_total", "Partitions whose log was replayed and compared, by what was found.", "outcome")
	descDigests     = ofCalls.add("digests_compared_total", "Digests in records that were compared with a replay.")
)

// Describe is for the registry.
func (o *Observer) Describe(to chan<- *prometheus.Desc) {
	for _, d := range ofCalls {
		to <- d
	}
}

// telling sends metrics to a registry.
type telling chan<- prometheus.Metric

func (to telling) counter(d *prometheus.Desc, v uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (to telling) gauge(d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// seconds tells a histogram of nanoseconds, from 16 µs, which no disk does it in,
// to half a minute, after which nobody waits.
func (to telling) seconds(d *prometheus.Desc, c tally.Counts, labels ...string) {
	to.histogram(d, c, 14, 35, 1e-9, labels)
}

// histogram tells the buckets up to 2^first, 2^(first+1), … 2^last units.
func (to telling) histogram(d *prometheus.Desc, c tally.Counts, first, last int, unit float64, labels []string) {
	cumulative, sum := map[float64]uint64{}, uint64(0)
	for i, n := range c.Buckets {
		sum += n
		if first <= i && i <= last {
			cumulative[float64(uint64(1)<<i)*unit] = sum
		}
	}
	to <- prometheus.MustNewConstHistogram(d, sum, float64(c.Sum)*unit, cumulative, labels...)
}

// Collect is for the registry.
func (o *Observer) Collect(metrics chan<- prometheus.Metric) {
	to := telling(metrics)
	o.collectCalls(to)
	o.collectViews(to)
	o.collectFeeds(to)
	to.counter(descVerified, o.checked.sound.Load(), "sound")
	to.counter(descVerified, o.checked.damaged.Load(), "damaged")
	to.counter(descDigests, o.checked.digests.Load())
}

func (o *Observer) collectCalls(to telling) {
	for k := range o.calls {
		to.gauge(descRunning, float64(o.calls[k].running.Load()), kindNames[k])
		for i := range o.calls[k].took {
			out := outcome(i)
			if kind(k) != kindCommit && (out == outcomeRefused || out == outcomeReplayed) {
				continue // no view and no read comes to that
			}
			counts := o.calls[k].took[i].Counts()
			// What has never happened is there as 0, so that the first time is an
			// increase; its duration is not, which would be most of all series.
			to.counter(descCalls, counts.Count(), kindNames[k], out.String())
			if counts.Count() > 0 {
				to.seconds(descCallSeconds, counts, kindNames[k], out.String())
			}
		}
	}
}

func (o *Observer) collectViews(to telling) {
	to.gauge(descViewsOpen, float64(o.openViews.Load()))
	for level, name := range levelNames {
		for what, outcome := range viewNames {
			to.counter(descViews, o.views[level][what].Load(), name, outcome)
		}
		to.counter(descStale, o.staleViews[level].Load(), name)
	}
}

func (o *Observer) collectFeeds(to telling) {
	for i := range o.endings.by {
		if out := outcome(i); out < outcomeDone {
			to.counter(descFeedsEnded, o.endings.by[i].Load(), out.String())
		}
	}
	now := time.Now()
	for _, f := range o.followers.all() {
		open, positions, age := f.behind(o.heads[:], now)
		to.gauge(descFeeds, float64(open), f.name)
		to.counter(descChanges, f.changes.Load(), f.name)
		to.gauge(descBehind, float64(positions), f.name)
		to.gauge(descBehindAge, age.Seconds(), f.name)
		for what, name := range deliveryNames {
			to.counter(descDeliveries, f.deliveries[what].Load(), f.name, name)
		}
		to.seconds(descDelivery, f.took.Counts(), f.name)
		to.seconds(descDelay, f.delay.Counts(), f.name)
	}
}
