package isolation

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem/advise/anomaly"
	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// world is a server, somebody who looks on, and a connection for each transaction.
type world struct {
	*testing.T
	watch    *pgx.Conn
	sessions map[string]*session
	tables   []string
}

// session is a transaction under way.
type session struct {
	conn  *pgx.Conn
	asked chan string
	told  chan told
	step  int  // the step that was sent last
	waits bool // for a lock that another one has
	begun bool
	dead  bool // aborted by the server
}

// told is what the server says to a statement: the first value, as text.
type told struct {
	value string
	err   error
}

// outcome is what one order of the steps came to.
type outcome struct {
	sees   []string // by step; empty where nothing was asked, or nobody answered
	ended  []string // transactions that were not aborted
	state  string   // of all tables, at the end
	after  string   // what the trace's last look sees
	aborts int
}

func newWorld(t *testing.T) *world {
	s, err := pgserver.Start(t.Context(), pgserver.Config{Settings: []string{"fsync=off", "deadlock_timeout=10ms"}})
	if errors.Is(err, pgserver.ErrMissing) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, sessions: map[string]*session{}}
	connect := func() *pgx.Conn {
		c, err := pgx.Connect(t.Context(), s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	w.watch = connect()
	for _, name := range []string{"T1", "T2", "T3"} {
		one := &session{conn: connect(), asked: make(chan string), told: make(chan told, 1)}
		w.sessions[name] = one
		go one.serve()
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, one := range w.sessions {
			close(one.asked)
			err = errors.Join(err, one.conn.Close(ctx))
		}
		if err := errors.Join(err, w.watch.Close(ctx), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// serve runs statements, each to its end.
func (s *session) serve() {
	for sql := range s.asked {
		value, err := first(s.conn, sql)
		s.told <- told{value, err}
	}
}

// first runs statements and is the first value of the last one, as text.
func first(c *pgx.Conn, sql string) (value string, err error) {
	results, err := c.PgConn().Exec(context.Background(), sql).ReadAll()
	if err == nil && len(results) > 0 {
		if rows := results[len(results)-1].Rows; len(rows) > 0 {
			value = string(rows[0][0])
		}
	}
	return value, err
}

// must runs statements of the onlooker.
func (w *world) must(sql string) string {
	w.Helper()
	value, err := first(w.watch, sql)
	if err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return value
}

var creates = regexp.MustCompile(`^CREATE TABLE (\w+)`)

// lay makes the tables of a trace, and forgets those of the last one.
func (w *world) lay(t anomaly.Trace) {
	w.must("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	w.tables = nil
	for _, sql := range t.Setup {
		if !strings.HasPrefix(sql, "CREATE") {
			continue
		}
		w.must(sql)
		if name := creates.FindStringSubmatch(sql); name != nil {
			w.tables = append(w.tables, name[1])
		}
	}
}

// fill puts the tables into the state that a trace begins with.
func (w *world) fill(t anomaly.Trace) {
	sql := "DELETE FROM " + strings.Join(w.tables, "; DELETE FROM ")
	for _, s := range t.Setup {
		if strings.HasPrefix(s, "INSERT") {
			sql += "; " + s
		}
	}
	w.must(sql)
	for _, s := range w.sessions {
		s.waits, s.begun, s.dead = false, false, false
	}
}

// run runs some of the steps, in an order, at a level: a step whose transaction waits
// for a lock goes after those of the others, as it would.
func (w *world) run(level string, t anomaly.Trace, order []int) outcome {
	w.fill(t)
	o := outcome{sees: make([]string, len(t.Steps))}
	left := slices.Clone(order)
	for len(left) > 0 {
		next := slices.IndexFunc(left, func(i int) bool { return !w.sessions[t.Steps[i].By].waits })
		if next < 0 { // each waits for another: the server ends one
			w.await(&o)
			continue
		}
		i := left[next]
		left = slices.Delete(left, next, next+1)
		s := w.sessions[t.Steps[i].By]
		if s.dead {
			continue
		}
		sql := t.Steps[i].SQL
		if !s.begun {
			sql, s.begun = "BEGIN ISOLATION LEVEL "+level+"; "+sql, true
		}
		s.step, s.waits = i, true
		s.asked <- sql
		w.settle(&o)
	}
	for len(w.waiting()) > 0 {
		w.await(&o)
	}
	for _, by := range t.Who() {
		if s := w.sessions[by]; s.begun && !s.dead {
			o.ended = append(o.ended, by)
		}
	}
	for _, table := range w.tables {
		o.state += table + ": " + w.must("SELECT string_agg(r::text, ' ' ORDER BY r::text) FROM "+table+" r") + "\n"
	}
	if t.After != nil {
		o.after = w.must(t.After.SQL)
	}
	return o
}

func (w *world) waiting() (some []*session) {
	for _, s := range w.sessions {
		if s.waits {
			some = append(some, s)
		}
	}
	return some
}

// settle waits until every transaction has its answer or waits for a lock.
func (w *world) settle(o *outcome) {
	for moved := true; moved; {
		moved = false
		for _, s := range w.waiting() {
			answered, blocked := w.look(s, o)
			moved = moved || answered || !blocked
		}
	}
}

// await waits until one more transaction has its answer.
func (w *world) await(o *outcome) {
	for {
		for _, s := range w.waiting() {
			if answered, _ := w.look(s, o); answered {
				w.settle(o) // it may have let others go on
				return
			}
		}
	}
}

// look asks the server whether a session waits for a lock, and takes its answer if it
// has one.
func (w *world) look(s *session, o *outcome) (answered, blocked bool) {
	blocked = w.must(fmt.Sprintf("SELECT cardinality(pg_blocking_pids(%d)) > 0", s.conn.PgConn().PID())) == "t"
	select {
	case got := <-s.told:
		s.take(w, o, got)
		return true, false
	default:
		return false, blocked
	}
}

// take notes an answer.
func (s *session) take(w *world, o *outcome, got told) {
	s.waits = false
	var fault *pgconn.PgError
	switch {
	case got.err == nil:
		o.sees[s.step] = got.value
	case errors.As(got.err, &fault) && (fault.Code == "40001" || fault.Code == "40P01"): // to be repeated
		s.dead = true
		o.aborts++
		if _, err := first(s.conn, "ROLLBACK"); err != nil {
			w.Fatal(err)
		}
	default:
		w.Fatalf("step %d: %v", s.step+1, got.err)
	}
}
