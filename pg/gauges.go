package pg

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
)

// Gauges tells Prometheus what is in the database when it asks, and how far
// replicas are behind: register it beside DB.Metrics. It asks in one read-only
// transaction that is ended after scrapeMost, reads by indexes alone, and asks
// replicas for as long. Where that fails, mainstem_pg_up is 0, nothing else of the
// database is told, and the rest of the scrape goes on.
//
// All pods tell the same of one database, so take the maximum over them.
type Gauges struct {
	DB *DB
	// Readers are whose replicas are looked at; nil looks at none.
	Readers *Readers
	// Logger gets why the database could not be asked; nil means slog.Default.
	Logger *slog.Logger
}

// What a scrape may cost: Prometheus waits for ten seconds unless told otherwise.
const (
	scrapeMost    = 2 * time.Second
	scrapeCursors = 1000
)

var (
	gaugeUp              = gauge("up", "1 if the database could be asked, else 0.")
	gaugeRelayHeld       = gauge("relay_held", "1 if some process holds the lease to number events, else 0.")
	gaugeUnnumbered      = gauge("unnumbered_seconds", "How long ago the oldest committed event without a position was appended; 0 if there is none.")
	gaugeEra             = gauge("era", "How often positions began anew, which a failover or a restore makes them do.")
	gaugeKeys            = gauge("keys", "Keys of requests that are kept, as the server estimates.")
	gaugeKept            = gauge("kept_bytes", "Tables and indexes of the schema.")
	gaugeClaims          = gauge("claims", "Requests that are claimed and not settled.")
	gaugeClaimOldest     = gauge("claim_oldest_seconds", "How long ago the oldest claim was made that is not settled; 0 if there is none.")
	gaugeBehindEvents    = gauge("consumer_behind_events", "Events that have a position after a consumer's cursor.", "consumer")
	gaugeBehindSeconds   = gauge("consumer_behind_seconds", "How long ago the first event after a consumer's cursor was appended; 0 if there is none.", "consumer")
	gaugeConsumerParked  = gauge("consumer_parked_events", "Events that a consumer has parked and nobody has decided on; 100000 means that many or more.", "consumer")
	gaugeConsumerOwned   = gauge("consumer_owned", "1 if some process runs the consumer, else 0.", "consumer")
	gaugeReplicaBytes    = gauge("replica_lag_bytes", "Write-ahead log that a replica has not replayed.", "replica", "host")
	gaugeReplicaSeconds  = gauge("replica_lag_seconds", "Age of the commit that a replica replayed last; 0 if it has replayed everything.", "replica", "host")
	gaugeReplicaFollows  = gauge("replica_streaming", "1 if a replica answers and follows the primary, as far as its role may see, else 0.", "replica", "host")
	gaugesOfTheDatabase  = []*prometheus.Desc{gaugeUp, gaugeRelayHeld, gaugeUnnumbered, gaugeEra, gaugeKeys, gaugeKept, gaugeClaims, gaugeClaimOldest}
	gaugesOfItsConsumers = []*prometheus.Desc{gaugeBehindEvents, gaugeBehindSeconds, gaugeConsumerParked, gaugeConsumerOwned}
	gaugesOfReplicas     = []*prometheus.Desc{gaugeReplicaBytes, gaugeReplicaSeconds, gaugeReplicaFollows}
)

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricPrefix+name, help, labels, nil)
}

// Describe is for the registry.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, some := range [][]*prometheus.Desc{gaugesOfTheDatabase, gaugesOfItsConsumers, gaugesOfReplicas} {
		for _, d := range some {
			to <- d
		}
	}
}

// Collect is for the registry.
func (g *Gauges) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeMost)
	defer cancel()
	tell := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	values, err := g.ask(ctx)
	if err != nil {
		g.warn("the database cannot be asked for its gauges", err)
		tell(gaugeUp, 0)
		return
	}
	tell(gaugeUp, 1)
	for i, d := range gaugesOfTheDatabase[1:] {
		tell(d, values.database[i])
	}
	for _, c := range values.consumers {
		for i, d := range gaugesOfItsConsumers {
			tell(d, c.values[i], c.name)
		}
	}
	g.replicas(tell)
}

func (g *Gauges) replicas(tell func(d *prometheus.Desc, v float64, labels ...string)) {
	if g.Readers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeMost)
	defer cancel()
	lags, err := g.Readers.Lag(ctx)
	if err != nil {
		g.warn("the primary cannot be asked where it is", err)
		return
	}
	for i, lag := range lags {
		labels := []string{strconv.Itoa(i), lag.Host}
		streaming := 0.0
		if lag.Streaming {
			streaming = 1
		}
		tell(gaugeReplicaFollows, streaming, labels...)
		if lag.Err == nil {
			tell(gaugeReplicaBytes, float64(lag.Bytes), labels...)
			tell(gaugeReplicaSeconds, lag.Behind.Seconds(), labels...)
		}
	}
}

func (g *Gauges) warn(what string, err error) {
	logger := g.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.Warn(what, "err", err)
}

// gaugeValues are in the order of gaugesOfTheDatabase, without the first, and of
// gaugesOfItsConsumers.
type gaugeValues struct {
	database  [7]float64
	consumers []consumerGauges
}

type consumerGauges struct {
	name   string
	values [4]float64
}

// ask reads all of it in one round trip.
func (g *Gauges) ask(ctx context.Context) (v gaugeValues, err error) {
	if g.DB == nil {
		return v, mainstem.Errorf(mainstem.Invalid, "these pg.Gauges have no DB")
	}
	if err := g.DB.check(); err != nil {
		return v, err
	}
	t, err := begin(ctx, g.DB.Pool, "reading gauges", readOnly, func(b *pgx.Batch) {
		b.Queue("SELECT set_config('statement_timeout', $1::text, true), set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)",
			strconv.FormatInt(scrapeMost.Milliseconds(), 10))
		b.Queue(g.DB.sql(databaseGauges), relayLease).QueryRow(func(row pgx.Row) error {
			d := &v.database
			return row.Scan(&d[0], &d[1], &d[2], &d[3], &d[4], &d[5], &d[6])
		})
		b.Queue(g.DB.sql(cursorGauges), cursorLease(""), LagMost, scrapeCursors).Query(func(rows pgx.Rows) error {
			consumers, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c consumerGauges, err error) {
				d := &c.values
				err = row.Scan(&c.name, &d[0], &d[1], &d[2], &d[3])
				return c, err
			})
			v.consumers = consumers
			return err
		})
	})
	if err != nil {
		return v, err
	}
	t.end(ctx)
	return v, nil
}

// databaseGauges finds the oldest event without a position as drain does, one row
// for each transaction that may have some.
const databaseGauges = `SELECT
	(EXISTS (SELECT FROM $S.lease WHERE name = $1::text AND until > clock_timestamp()))::int::float8,
	coalesce(greatest(0, extract(epoch FROM clock_timestamp() - least(
		(SELECT made FROM $S.event WHERE xid >= pg_snapshot_xmax(r.seen) ORDER BY xid LIMIT 1),
		(SELECT min(first.made) FROM pg_snapshot_xip(r.seen) AS open (xid),
			LATERAL (SELECT e.made FROM $S.event e WHERE e.xid = open.xid ORDER BY e.id LIMIT 1) AS first)))), 0)::float8,
	(SELECT greatest(count(*) - 1, 0) FROM $S.era)::float8,
	(SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = '$S.request'::regclass)::float8,
	(SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relnamespace = '$S'::regnamespace AND relkind = 'r')::float8,
	(SELECT count(*) FROM $S.request WHERE state = 3)::float8,
	coalesce((SELECT extract(epoch FROM clock_timestamp() - min(made)) FROM $S.request WHERE state = 3), 0)::float8
	FROM $S.place() r`

// cursorGauges counts what is behind a cursor by the eras, in which positions are
// dense: that costs the same however many there are.
const cursorGauges = `WITH era AS (
	SELECT first, coalesce(lead(before) OVER (ORDER BY first), (SELECT last FROM $S.place())) AS last FROM $S.era
) SELECT c.name,
	(SELECT coalesce(sum(greatest(0, era.last - greatest(c.position, era.first - 1))), 0) FROM era)::float8,
	coalesce((SELECT extract(epoch FROM clock_timestamp() - e.made)
		FROM (SELECT slot, xid, id FROM $S.numbered n WHERE n.position > c.position ORDER BY n.position LIMIT 1) n
		JOIN $S.event e ON e.slot = n.slot AND e.xid = n.xid AND e.id = n.id), 0)::float8,
	(SELECT count(*) FROM (SELECT FROM $S.parked p WHERE p.cursor = c.name LIMIT $2::int) AS counted)::float8,
	(EXISTS (SELECT FROM $S.lease l WHERE l.name = $1::text || c.name AND until > clock_timestamp()))::int::float8
	FROM $S.cursors() c ORDER BY name LIMIT $3::int`
