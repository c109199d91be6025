package pg_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestCommitThatNoStandbyHas: a COMMIT whose wait for a synchronous standby is
// cancelled succeeds with a warning. It is no success, and a repetition is none
// before a standby has it either.
func TestCommitThatNoStandbyHas(t *testing.T) {
	p := newPair(t)
	p.isSynchronous(t)
	db := p.watched(t)
	request := pg.Request{Key: "a"}
	once := func(ctx context.Context, tx pgx.Tx) ([]byte, error) { return []byte("done"), nil }

	if f := finding(t, db, "warnings of COMMIT"); f.Code != 0 {
		t.Errorf("watched: %+v", f)
	}
	if f := finding(t, p.readers.DB, "warnings of COMMIT"); f.Code != mainstem.Weak {
		t.Errorf("not watched: %+v", f)
	}
	seesStandbys(t, p, db)
	p.stop(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type outcome struct {
		reply pg.Reply
		err   error
	}
	answered := make(chan outcome, 1)
	go func() {
		reply, err := db.Run(ctx, request, once)
		answered <- outcome{reply, err}
	}()
	last := int64(0)
	for range 3 { // the first commit, and two repetitions
		before := last
		eventually(t, "a COMMIT waits for the standby, and is cancelled", func() bool {
			last = number(t, p.readers.DB, `SELECT coalesce(max(began), 0) FROM (
				SELECT (extract(epoch FROM xact_start) * 1e6)::bigint AS began, pg_cancel_backend(pid)
				FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT') AS waiting`)
			return last > before
		})
	}
	cancel()
	if o := <-answered; mainstem.CodeOf(o.err) != mainstem.Undecided {
		t.Errorf("no standby has it, and the answer is %q, %v", o.reply.Body, o.err)
	}
	if err := p.standby.Resume(); err != nil {
		t.Fatal(err)
	}
	if reply, err := db.Run(t.Context(), request, once); err != nil || !reply.Replayed {
		t.Errorf("once the standby is back: %v, %v", reply, err)
	}
}

// seesStandbys: check tells a standby that is missing from one that a role may not see.
func seesStandbys(t *testing.T, p *pair, db *pg.DB) {
	t.Helper()
	role := db.Schema + "_blind"
	run(t, p.readers.DB, "CREATE ROLE "+role+" LOGIN")
	install(t, p.readers.DB, role)
	blind := &pg.DB{Pool: poolOf(t, strings.Replace(p.primary.DSN(), "user=postgres", "user="+role, 1)), Schema: db.Schema}
	if f := finding(t, blind, "standbys"); f.Code != mainstem.Weak || !strings.Contains(f.Detail, "pg_read_all_stats") {
		t.Errorf("to a role that may not see which standbys are synchronous, check says %+v", f)
	}
	if f := finding(t, db, "standbys"); f.Code != 0 {
		t.Errorf("to one that may, check says %+v", f)
	}
}
