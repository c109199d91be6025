package pg_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// measured is what a registry tells, by names with labels as in a query: the value
// of a counter or a gauge, the count of a histogram.
type measured map[string]float64

func gather(t *testing.T, from prometheus.Gatherer) measured {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := measured{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() == "host" {
					continue // a directory of this run
				}
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := strings.TrimPrefix(f.GetName(), "mainstem_pg_")
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.GetHistogram() != nil:
				all[name] = float64(m.GetHistogram().GetSampleCount())
			case m.GetCounter() != nil:
				all[name] = m.GetCounter().GetValue()
			default:
				all[name] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// wants compares what was told with what was done.
func (m measured) wants(t *testing.T, want measured) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, ok := m[name]; !ok || got != want[name] {
			t.Errorf("%s is %v (told: %t), want %v", name, got, ok, want[name])
		}
	}
}

// measuring gives a database metrics, in a registry of its own.
func measuring(t *testing.T, db *pg.DB, readers *pg.Readers) *prometheus.Registry {
	t.Helper()
	db.Metrics = pg.NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(db.Metrics, &pg.Gauges{DB: db, Readers: readers})
	return registry
}

// TestMetricsTell: everything that is measured is measured by a run in which it
// happens, as often as it happens.
func TestMetricsTell(t *testing.T) {
	p := newPair(t)
	db := p.readers.DB
	registry := measuring(t, db, p.readers)
	requestsOfAllKinds(t, db)
	appendsOfAllKinds(t, db)
	leasesOfAllKinds(t, db)
	eventsOfAllKinds(t, db)
	readsOfAllKinds(t, p)
	told := gather(t, registry)
	told.wants(t, measured{
		`requests_total{outcome="done"}`: 3, `requests_total{outcome="replayed"}`: 1, `requests_total{outcome="refused"}`: 1,
		`requests_total{outcome="failed"}`: 4, `requests_total{outcome="id_reused"}`: 1, `requests_total{outcome="in_progress"}`: 1,
		`requests_total{outcome="undecided"}`: 0, `request_duration_seconds{outcome="done"}`: 3,
		`request_repeats_total{code="retry_transaction"}`: 1, `keys_deleted_total`: 4,
		`appended_events_total`: 6, `appended_bytes_total`: 30, `append_errors_total{code="conflict"}`: 1,
		`numbered_events_total`: 5, `drain_events`: told["drain_duration_seconds"],
		`deliveries_total{consumer="c",outcome="again"}`: 1, `deliveries_total{consumer="c",outcome="failed"}`: 2,
		`delivered_events_total{consumer="c"}`: 3, `delivery_delay_seconds{consumer="c"}`: 3, `parked_events_total{consumer="c"}`: 2,
		`leases_acquired_total{kind="relay"}`: 1, `leases_acquired_total{kind="consumer"}`: 1, `leases_acquired_total{kind="other"}`: 1,
		`leases_lost_total{kind="other"}`: 1, `lease_renewal_errors_total{kind="other"}`: 1, `fenced_total{kind="other"}`: 1, `leases_lost_total{kind="relay"}`: 0,
		`reads_total{outcome="replica"}`: 1, `reads_total{outcome="waited"}`: 1, `reads_total{outcome="primary"}`: 1, `reads_total{outcome="refused"}`: 1,
		`read_wait_seconds`: 2, `replicas_passed_over_total{reason="unfit"}`: 1,
		`up`: 1, `relay_held`: 1, `unnumbered_seconds`: 0, `era`: 0, `claims`: 1,
		`consumer_behind_events{consumer="c"}`: 0, `consumer_parked_events{consumer="c"}`: 2, `consumer_owned{consumer="c"}`: 1,
		`consumer_behind_events{consumer="gone"}`: 5, `consumer_owned{consumer="gone"}`: 0,
		`replica_streaming{replica="0"}`: 1,
	})
	for _, name := range []string{`relay_seconds_total{state="awake"}`, `relay_seconds_total{state="asleep"}`, "kept_bytes", "claim_oldest_seconds", `consumer_behind_seconds{consumer="gone"}`} {
		if told[name] <= 0 {
			t.Errorf("%s is %v", name, told[name])
		}
	}
	names := map[string]bool{}
	for name := range told {
		names[regexp.MustCompile(`^\w+`).FindString(name)] = true
	}
	for _, d := range described(db.Metrics, &pg.Gauges{}) {
		if !names[strings.TrimPrefix(d, "mainstem_pg_")] {
			t.Errorf("%s is described, and this run does not tell it", d)
		}
	}
}

var descName = regexp.MustCompile(`fqName: "([a-z_]+)"`)

// described are the names that collectors say they have.
func described(collectors ...prometheus.Collector) (names []string) {
	to := make(chan *prometheus.Desc)
	go func() {
		defer close(to)
		for _, c := range collectors {
			c.Describe(to)
		}
	}()
	for d := range to {
		names = append(names, descName.FindStringSubmatch(d.String())[1])
	}
	return names
}

func requestsOfAllKinds(t *testing.T, db *pg.DB) {
	t.Helper()
	ctx := t.Context()
	reply := func(err error) func(context.Context, pgx.Tx) ([]byte, error) {
		return func(context.Context, pgx.Tx) ([]byte, error) { return []byte("r"), err }
	}
	asks := func(want mainstem.Code, r pg.Request, fn func(context.Context, pgx.Tx) ([]byte, error)) {
		t.Helper()
		_, err := db.Run(ctx, r, fn)
		if mainstem.CodeOf(err) != want {
			t.Errorf("request %s: %v", r.Key, err)
		}
	}
	asks(0, pg.Request{Key: "a", Hash: []byte("1")}, reply(nil))
	asks(0, pg.Request{Key: "a", Hash: []byte("1")}, reply(nil))
	asks(mainstem.IDReused, pg.Request{Key: "a", Hash: []byte("2")}, reply(nil))
	asks(0, pg.Request{Key: "b", Refusals: true}, reply(pg.Refuse(nil)))
	asks(0, pg.Request{Key: "c"}, reply(errors.New("its own")))
	asks(mainstem.Unavailable, pg.Request{Key: "c"}, reply(mainstem.Errorf(mainstem.Unavailable, "its own, with a code")))
	func() {
		defer func() { _ = recover() }()
		asks(0, pg.Request{Key: "c"}, func(context.Context, pgx.Tx) ([]byte, error) { panic("on purpose") })
	}()
	tries := 0
	asks(0, pg.Request{Key: "d"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if tries++; tries == 1 {
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
			return nil, err
		}
		return nil, nil
	})
	tx := begin(t, db, pgx.ReadCommitted)
	_, err := pg.Once(ctx, db.In(tx), pg.Request{Key: "e"}, func(context.Context) ([]byte, error) {
		asks(mainstem.InProgress, pg.Request{Key: "e"}, reply(nil))
		return nil, nil
	})
	wantCode(t, err, 0)
	commit(t, tx)
	run(t, db, "UPDATE $S.request SET until = '-infinity'; INSERT INTO $S.request VALUES ('claimed', '', 3, '', now() - interval '1 min', now())")
	_, err = db.Clean(ctx)
	wantCode(t, err, 0)
}

func appendsOfAllKinds(t *testing.T, db *pg.DB) {
	t.Helper()
	event := mainstem.Event{Type: "test", Data: []byte("1")}
	_, err := db.Run(t.Context(), pg.Request{Key: "append"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if _, err := pg.AppendVersioned(ctx, tx, "v", 7, event); mainstem.CodeOf(err) != mainstem.Conflict {
			t.Errorf("at the wrong version: %v", err)
		}
		if _, err := pg.AppendVersioned(ctx, tx, "v", 0, event); err != nil {
			t.Error(err)
		}
		return nil, errors.New("roll back")
	})
	if err == nil {
		t.Error("it was committed")
	}
	run(t, db, "INSERT INTO $S.cursor (name, position) VALUES ('gone', 0)")
}

func leasesOfAllKinds(t *testing.T, db *pg.DB) {
	t.Helper()
	tx := begin(t, db, pgx.ReadCommitted)
	wantCode(t, pg.Fence(t.Context(), db.In(tx), "r", 7), 0)
	wantCode(t, pg.Fence(t.Context(), db.In(tx), "r", 6), mainstem.Fenced)
	wantCode(t, db.Hold(t.Context(), "l", pg.MinTTL, func(ctx context.Context, token mainstem.FencingToken) error {
		run(t, db, "UPDATE $S.lease SET token = token + 1 WHERE name = 'l'")
		<-ctx.Done()
		return nil
	}), mainstem.Fenced)
}

// eventsOfAllKinds: three are taken, one of them at the second attempt, and two
// parked.
func eventsOfAllKinds(t *testing.T, db *pg.DB) {
	t.Helper()
	r := relaying(t, db, true)
	said := &lines{}
	r.Logger = slog.New(slog.NewTextHandler(said, nil))
	var k taker
	tries := 0
	k.set(func(e pg.Event) error {
		switch tries++; {
		case tries == 1:
			return mainstem.Errorf(mainstem.Unavailable, "the sink is down")
		case e.Stream == "p":
			return errors.New("poison")
		}
		return nil
	})
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver, Attempts: 1})
	})
	eventually(t, "the relay sleeps", func() bool {
		return number(t, db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted") > 0
	})
	tx := begin(t, db, pgx.ReadCommitted)
	for _, stream := range []string{"a", "p", "b", "p", "c"} {
		wantCode(t, pg.Append(pg.By(t.Context(), mainstem.Meta{Trace: "t-" + stream}), db.In(tx), stream, mainstem.Event{Type: "test", Data: []byte("1")}), 0)
	}
	commit(t, tx)
	k.wants(t, "a1 b1 c1")
	eventually(t, "the cursor is behind all", func() bool { return cursorAt(t, db, "c") == 5 })
	for _, want := range []string{"position=1 trace=t-a", "stream=p position=2 trace=t-p"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no line of the log names %s:\n%s", want, said)
		}
	}
}

// lines may be written and read by several.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func readsOfAllKinds(t *testing.T, p *pair) {
	t.Helper()
	s := p.session(t, "")
	p.sees(t, s, "x", 0, true)
	p.replays(t, false)
	p.write(t, s, "x")
	p.readers.Wait = 300 * time.Millisecond
	p.sees(t, s, "x", 1, false)
	p.readers.Wait = pg.MaxWait
	read, asked := make(chan bool, 1), p.replica.Stat().AcquireCount()
	go func() {
		_, replica, err := p.read(s, t.Context(), "x")
		read <- replica && err == nil
	}()
	eventually(t, "the replica was asked twice", func() bool { return p.replica.Stat().AcquireCount() >= asked+2 })
	p.replays(t, true)
	if !<-read {
		t.Error("the replica did not serve the read")
	}
	// A token of another server.
	foreign := &pg.Readers{DB: open(t)}
	s, err := foreign.Session("")
	wantCode(t, err, 0)
	wantCode(t, s.Write(t.Context(), func(context.Context, pgx.Tx) error { return nil }), 0)
	_, _, err = p.read(p.session(t, s.Token()), t.Context(), "x")
	wantCode(t, err, mainstem.HistoryLost)
}

// TestGaugesOfADatabaseThatIsDown: a scrape is not held up, and the rest of it is
// told; a server that is silent costs no more than one that refuses.
func TestGaugesOfADatabaseThatIsDown(t *testing.T) {
	p := newPair(t)
	registry := measuring(t, p.readers.DB, p.readers)
	down := func(what string) {
		t.Helper()
		began := time.Now()
		told := gather(t, registry)
		told.wants(t, measured{"up": 0, `requests_total{outcome="done"}`: 0})
		if _, ok := told["kept_bytes"]; ok || time.Since(began) > 8*time.Second {
			t.Errorf("%s: after %s the size is told: %t", what, time.Since(began), ok)
		}
	}
	gather(t, registry).wants(t, measured{"up": 1})
	wantCode(t, p.primary.Pause(), 0)
	down("a silent server")
	wantCode(t, p.primary.Resume(), 0)
	wantCode(t, p.standby.Kill(), 0)
	eventually(t, "it is asked again", func() bool { return gather(t, registry)["up"] == 1 })
	gather(t, registry).wants(t, measured{`replica_streaming{replica="0"}`: 0})
	wantCode(t, p.primary.Kill(), 0)
	down("a dead server")
}

// TestGaugesCountAcrossEras: positions that were never given are behind nobody.
func TestGaugesCountAcrossEras(t *testing.T) {
	db := open(t)
	registry := measuring(t, db, nil)
	run(t, db, `INSERT INTO $S.era (first, before, home) VALUES (1, 0, 'a'), (1 << 10, 5, 'b'), (1 << 20, 1025, 'c');
		UPDATE $S.relay SET last = (1 << 20) + 2;
		INSERT INTO $S.cursor (name, position) VALUES ('new', 0), ('in', 3), ('end', 5), ('next', 1023), ('late', 1024), ('now', 1 << 20), ('done', (1 << 20) + 2)`)
	gather(t, registry).wants(t, measured{
		"era": 2, `consumer_behind_events{consumer="new"}`: 10, `consumer_behind_events{consumer="in"}`: 7,
		`consumer_behind_events{consumer="end"}`: 5, `consumer_behind_events{consumer="next"}`: 5, `consumer_behind_events{consumer="late"}`: 4,
		`consumer_behind_events{consumer="now"}`: 2, `consumer_behind_events{consumer="done"}`: 0,
	})
}

// TestGaugesReadByIndex: a scrape never reads a table from end to end that can be
// large, and never compiles a statement. The server itself says how it read.
func TestGaugesReadByIndex(t *testing.T) {
	var mu sync.Mutex
	var plans []string
	db := openOn(t, running(t), func(c *pgxpool.Config) {
		c.MaxConns = 1
		c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			mu.Lock()
			defer mu.Unlock()
			plans = append(plans, n.Message)
		}
	})
	registry := measuring(t, db, nil)
	// Of tables that are small and known to be, reading all is what the server prefers.
	put(t, db, "a1", "a2")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	run(t, db, `INSERT INTO $S.cursor (name, position) VALUES ('c', 0);
		INSERT INTO $S.request VALUES ('k', '', 3, '', now(), now());
		INSERT INTO $S.parked (cursor, stream, position, type, data, actor, request, trace, made, error) VALUES ('c', 's', 1, '', '', '', '', '', now(), '')`)
	run(t, db, "ANALYZE")
	run(t, db, "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice")
	gather(t, registry).wants(t, measured{"up": 1, `consumer_behind_events{consumer="c"}`: 2, `consumer_parked_events{consumer="c"}`: 1, "claims": 1})
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(plans, "\n")
	if !strings.Contains(all, "request_claimed") || !strings.Contains(all, "event_0_xid_id_idx") {
		t.Errorf("the server told %d plans, which do not name the indexes:\n%s", len(plans), all)
	}
	if found := regexp.MustCompile(`Seq Scan on (event|numbered|request|parked)\w*|JIT:`).FindAllString(all, -1); len(found) > 0 {
		t.Errorf("%v in:\n%s", found, all)
	}
}
