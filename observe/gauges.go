package observe

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/tally"
	"github.com/mainstemdb/mainstem/node"
)

// Gauges tells Prometheus what a database counts of itself, and what it holds,
// when it asks. That asks nothing of the writers. It goes on after the database has
// stopped, and says that it has.
type Gauges struct {
	DB *embedded.DB
	// Followers names those whose parked changes are counted; nil is none. Each
	// costs sixteen small views in every scrape, which are not observed. Those that
	// an Observer has seen at work are its Followers.
	Followers func() []string
}

// LimitParked is how many parked changes of a follower are counted; a scrape that
// takes longer than scrapeMost counts none.
const (
	LimitParked = 1000
	scrapeMost  = 2 * time.Second
)

var (
	ofDatabase described

	descUp         = ofDatabase.add("up", "1 while the database serves, 0 once it has stopped by itself.")
	descStopped    = ofDatabase.add("partition_stopped", "1 for a partition that does not serve, by why.", "partition", "code")
	descPosition   = ofDatabase.add("partition_position", "Position of the last transaction.", "partition")
	descAge        = ofDatabase.add("partition_age_seconds", "Log age: the time that the log has lived.", "partition")
	descIDs        = ofDatabase.add("partition_ids", "IDs of callers that are remembered.", "partition")
	descWritten    = ofDatabase.add("transactions_total", "Transactions that were sent to the log.", "partition")
	descBatch      = ofDatabase.add("record_transactions", "Transactions in a record that was sent to the log.")
	descRecord     = ofDatabase.add("record_bytes", "Size of a record that was sent to the log.")
	descAppend     = ofDatabase.add("append_duration_seconds", "How long an append to the log took, until it was durable or was not.")
	descFlying     = ofDatabase.add("append_running_seconds", "For how long the append has run that is under way, the longest of all partitions; 0 if none is.")
	descAppendErrs = ofDatabase.add("append_errors_total", "Appends that were not made durable: failed wrote nothing, unknown may have, lost met another writer.", "outcome")
	descVoids      = ofDatabase.add("voids_total", "Records of a shared log that came too late to count: their transactions were judged again.", "partition")
	descTakeovers  = ofDatabase.add("takeovers_total", "How often another node wrote to a shared log than the one before.", "partition")
	descSilent     = ofDatabase.add("unforwarded_total", "Transactions that the node which wrote last did not answer, and that this one judged or sent elsewhere.", "partition")
	descContested  = ofDatabase.add("digests_contested", "Digests of nodes that differ now, until a majority has decided or the partition stops.", "partition")
	descUnsaved    = ofDatabase.add("snapshot_behind_seconds", "How much newer a partition is than its newest snapshot in the store, in log age; missing without a store, and where another node writes.", "partition")
	descUnarchived = ofDatabase.add("archive_behind_seconds", "How much newer a partition is than its archive, in log age; missing without an archive, and where another node writes.", "partition")
	descGap        = ofDatabase.add("archive_ended", "1 where the archive of a partition has a gap and has ended, missing without an archive.", "partition")
	descSync       = ofDatabase.add("sync_duration_seconds", "How long it took to force an appended record to the disk; part of the append.")
	descQueue      = ofDatabase.add("queue_transactions", "Transactions that wait to be judged.", "partition")
	descQueueBytes = ofDatabase.add("queue_bytes", "Size of the transactions that wait to be judged.", "partition")
	descFilled     = ofDatabase.add("queue_filled_ratio", "How full the queue is, by number or by bytes; at 1 the next transaction is overloaded.", "partition")
	descMemory     = ofDatabase.add("memory_bytes", "What parts of the memory knob hold.", "part")
	descMemoryMost = ofDatabase.add("memory_limit_bytes", "What parts of the memory knob may hold.", "part")
	descDisk       = ofDatabase.add("disk_bytes", "What the database takes on the disk, snapshots apart.", "part")
	descFree       = ofDatabase.add("disk_free_bytes", "What the disk has left; missing where nobody can say.")
	descFiles      = ofDatabase.add("log_files", "Segments of all logs.")
	descDebt       = ofDatabase.add("compaction_debt_bytes", "What is to be rewritten until the state's tables are in their best shape, roughly.")
	descRuns       = ofDatabase.add("read_amplification", "Through how many sorted runs a read looks, the most of all partitions.")
	descWaited     = ofDatabase.add("write_wait_seconds_total", "How long writers have waited until the state's tables caught up.")
	descBlocks     = ofDatabase.add("block_reads_total", "Blocks of the state's tables that were read, by from where.", "from")
	descParked     = ofDatabase.add("follower_parked_changes", "Changes that a follower has passed over and nobody has decided on; 1000 means that many or more.", "follower")
)

// Describe is for the registry.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range ofDatabase {
		to <- d
	}
}

// Collect is for the registry.
func (g *Gauges) Collect(metrics chan<- prometheus.Metric) {
	to, f := telling(metrics), g.DB.Figures()
	up := 1.0
	if f.Err != nil {
		up = 0
	}
	to.gauge(descUp, up)
	if f.Free >= 0 {
		to.gauge(descFree, float64(f.Free))
	}
	var all sums
	for i := range f.Partitions {
		p := &f.Partitions[i]
		all.add(p)
		name := strconv.Itoa(p.Partition)
		if p.Down != 0 {
			to.gauge(descStopped, 1, name, p.Down.String())
		}
		to.gauge(descPosition, float64(p.Position), name)
		to.gauge(descAge, time.Duration(p.Age).Seconds(), name)
		to.gauge(descIDs, float64(p.IDs), name)
		to.counter(descWritten, uint64(p.Batches.Sum), name)
		to.gauge(descQueue, float64(p.Waiting), name)
		to.gauge(descQueueBytes, float64(p.Queue.Used), name)
		to.gauge(descFilled, p.Filled, name)
		to.counter(descVoids, p.Voids, name)
		to.counter(descTakeovers, p.Takeovers, name)
		to.counter(descSilent, p.Unforwarded, name)
		to.gauge(descContested, float64(p.Contested), name)
		outside(to, p, name)
	}
	all.tell(to)
	if f.Err == nil {
		g.parked(to)
	}
}

// outside tells of what is kept in other stores.
func outside(to telling, p *node.PartitionFigures, name string) {
	if p.Unsaved >= 0 {
		to.gauge(descUnsaved, p.Unsaved.Seconds(), name)
	}
	if p.Unarchived >= 0 {
		to.gauge(descUnarchived, p.Unarchived.Seconds(), name)
		ended := 0.0
		if p.ArchiveBroken {
			ended = 1
		}
		to.gauge(descGap, ended, name)
	}
}

// sums are what is told of all partitions together: histograms of each would be
// more series than anybody looks at.
type sums struct {
	batches, bytes, appends, syncs tally.Counts
	flying, waited                 time.Duration
	lost, unknown, failed          uint64
	queue, feed, state             node.Share
	store                          node.StoreFigures
	logBytes, hits, misses         int64
	files                          int
}

func (s *sums) add(p *node.PartitionFigures) {
	s.batches.Add(&p.Batches)
	s.bytes.Add(&p.Bytes)
	s.appends.Add(&p.Appends)
	s.syncs.Add(&p.Log.Syncs)
	s.flying, s.waited = max(s.flying, p.Flying), s.waited+p.Store.Waited
	s.lost, s.unknown, s.failed = s.lost+p.Lost, s.unknown+p.Unknown, s.failed+p.Failed
	s.queue, s.feed, s.state = both(s.queue, p.Queue), both(s.feed, p.Feed), both(s.state, p.State)
	s.store.Bytes, s.store.Debt = s.store.Bytes+p.Store.Bytes, s.store.Debt+p.Store.Debt
	s.store.ReadAmplification = max(s.store.ReadAmplification, p.Store.ReadAmplification)
	s.hits, s.misses = s.hits+p.Store.Hits, s.misses+p.Store.Misses
	s.logBytes, s.files = s.logBytes+p.Log.Bytes, s.files+p.Log.Files
}

func both(a, b node.Share) node.Share {
	return node.Share{Used: a.Used + b.Used, Limit: a.Limit + b.Limit}
}

func (s *sums) tell(to telling) {
	to.histogram(descBatch, s.batches, 0, 14, 1, nil)
	to.histogram(descRecord, s.bytes, 7, 23, 1, nil)
	to.seconds(descAppend, s.appends)
	to.seconds(descSync, s.syncs)
	to.gauge(descFlying, s.flying.Seconds())
	to.counter(descAppendErrs, s.failed, "failed")
	to.counter(descAppendErrs, s.unknown, "unknown")
	to.counter(descAppendErrs, s.lost, "lost")
	for name, part := range map[string]node.Share{"queue": s.queue, "feed": s.feed, "state": s.state} {
		to.gauge(descMemory, float64(part.Used), name)
		to.gauge(descMemoryMost, float64(part.Limit), name)
	}
	to.gauge(descDisk, float64(s.logBytes), "log")
	to.gauge(descDisk, float64(s.store.Bytes), "state")
	to.gauge(descFiles, float64(s.files))
	to.gauge(descDebt, float64(s.store.Debt))
	to.gauge(descRuns, float64(s.store.ReadAmplification))
	to <- prometheus.MustNewConstMetric(descWaited, prometheus.CounterValue, s.waited.Seconds())
	to.counter(descBlocks, uint64(s.hits), "memory")
	to.counter(descBlocks, uint64(s.misses), "disk")
}

// parked counts what followers have passed over. One that cannot be read is not
// told: the rest of the scrape says why.
func (g *Gauges) parked(to telling) {
	if g.Followers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), unseen{}, true), scrapeMost)
	defer cancel()
	// A series that is told twice would be the end of the whole scrape.
	for _, name := range slices.Compact(slices.Sorted(slices.Values(g.Followers()))) {
		n := 0
		var failed error
		for _, err := range g.DB.Parked(ctx, name) {
			if failed = err; err != nil {
				break
			}
			if n++; n == LimitParked {
				break
			}
		}
		if failed == nil {
			to.gauge(descParked, float64(n), name)
		}
	}
}
