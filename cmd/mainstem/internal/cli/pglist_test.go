package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/pg"
)

// TestPGLists: what there is of events, requests and leases, with limits, and a
// word on how to go on.
func TestPGLists(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.says(2, "run the SQL that mainstem pg schema prints", "requests")
	n.sql(mainstem(t, t.TempDir(), "", "pg", "schema").out)
	n.says(0, "none", "requests", "--claimed")
	n.says(0, "no such event has a position", "events")
	n.events()
	n.sql(`INSERT INTO mainstem.request SELECT 'many ' || lpad(n::text, 4, '0'), '', 1, 'yes', now(), now() + interval '1 h' FROM generate_series(1, 1005) n`,
		`INSERT INTO mainstem.request VALUES ('no', '', 2, '\xff', now(), now()), ('http|acme|k|', '', 1, convert_to('{"status":201,"header":{},"body":"eyJpZCI6N30="}', 'UTF8'), now(), now())`)
	lines := func(want int, args ...string) {
		t.Helper()
		got := mainstem(t, t.TempDir(), "", append(append([]string{"pg"}, args...), "--dsn", n.dsn)...)
		if count := strings.Count(got.out, "\n"); count != want || got.code != 0 {
			t.Errorf("%s: %d lines, want %d: %s", args, count, want, got.err)
		}
	}
	lines(100, "requests")
	lines(1004, "requests", "--prefix", "many ", "--limit", "1004")
	lines(1005, "requests", "--prefix", "many ", "--limit", "2000")
	n.says(0, "more follow: --after 'many 0002'", "requests", "--prefix", "many ", "--limit", "2")
	n.says(0, "'many 0003'", "requests", "--after", "many 0002", "--limit", "1")
	n.says(0, "         201  {\"id\":7}\n", "requests", "http|acme|k|", "--reply")
	n.says(0, `"response":{"status":201,"header":{},"body":"{\"id\":7}"}`, "requests", "http|acme|k|", "--reply", "--json")
	n.says(0, `"reply_base64":"/w=="`, "requests", "no", "--reply", "--json")
	n.says(0, `"\xff"`, "requests", "no", "--reply")
	n.says(0, `1 byte  no`, "requests", "no")
	n.says(3, "no request man is kept", "requests", "man")
	n.says(2, "KEY is one request", "requests", "no", "--claimed")
	n.says(2, "--limit is 0", "requests", "--limit", "0")
	n.leases()
}

// events has three events, one of which is no text.
func (n *night) events() {
	n.Helper()
	parkSomething(n.T, &pg.DB{Pool: n.pool})
	n.says(0, "     2  20", "events")
	n.says(0, "order  sent  ", "events", "--after", "1")
	n.says(0, "more follow: --after 1", "events", "--limit", "1")
	n.says(0, `"position":"2","stream":"order","type":"sent","data":""`, "events", "--type", "sent", "--json")
	n.says(0, "no such event has a position", "events", "--stream", "nothing")
	n.says(0, "no such event has a position", "events", "--after", "2")
	n.sql("DELETE FROM mainstem.numbered WHERE position = 1", "DELETE FROM mainstem.event WHERE type = 'paid'")
	n.says(3, "the oldest event that is kept has position 2", "events", "--after", "0")
	n.says(0, "     2  20", "events")
}

func (n *night) leases() {
	n.Helper()
	d := &pg.DB{Pool: n.pool}
	for _, name := range []string{"held", "back"} {
		grant, err := d.Acquire(n.Context(), name, "ann", time.Hour)
		if err == nil && name == "back" {
			err = d.Release(n.Context(), grant)
		}
		if err != nil {
			n.Fatal(err)
		}
	}
	err := pgx.BeginFunc(n.Context(), n.pool, func(tx pgx.Tx) error { return pg.Fence(n.Context(), tx, "account 7", 77) })
	if err != nil {
		n.Fatal(err)
	}
	n.says(0, "left, token 1099511627777  held", "leases")
	n.says(0, "released  last by ann, token 1099511627777  back", "leases")
	n.says(0, "'~cursor/mail'  (Mainstem's own)", "leases", "--prefix", "~")
	n.says(0, "fence     token 77  'account 7'", "leases", "--fences")
	n.says(0, `{"resource":"account 7","token":"77"}`, "leases", "--prefix", "account", "--fences", "--json")
	n.sql("UPDATE mainstem.lease SET until = now() - interval '1 hour' WHERE name = 'held'")
	n.says(0, "expired   last by ann, 1h0m", "leases", "--prefix", "held")
	n.says(0, `"state":"expired"`, "leases", "--prefix", "held", "--json")
}

// TestPGListIsRepairable: a name as a listing prints it, typed into a shell, is
// that name to the command that repairs.
func TestPGListIsRepairable(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("not run: there is no bash to type into: install it")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := newNight(t)
	n.sql(mainstem(t, t.TempDir(), "", "pg", "schema").out)
	names := []string{"a b", "it's", `"$HOME"`, "`id`", "~", "#", "-x", "-7", "a\nb\x1b[2J", `\`, "ä\u202e"}
	for i, name := range names {
		for _, sql := range []string{
			"INSERT INTO mainstem.request VALUES ($1, '', 3, '', now(), now())",
			"INSERT INTO mainstem.parked VALUES ($1, $1, 1, NULL, 'paid', '', '', '', '', now(), 'no')",
			"INSERT INTO mainstem.cursor VALUES ($1, 1)",
		} {
			if _, err := n.pool.Exec(t.Context(), sql, name); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	typed := func(format string, words ...any) {
		t.Helper()
		line := fmt.Sprintf("%q pg "+format, append([]any{exe}, words...)...)
		cmd := exec.Command(bash, "-c", line)
		cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1", "MAINSTEM_PG="+n.dsn)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	words := func(pattern string, args ...string) (found []string) {
		t.Helper()
		out := mainstem(t, t.TempDir(), "", append([]string{"pg", args[0], "--dsn", n.dsn}, args[1:]...)...).out
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(out, -1) {
			found = append(found, m[1])
		}
		if bytes.ContainsAny([]byte(out), "\x1b") {
			t.Errorf("%s lets a name reach the terminal as it is:\n%q", args, out)
		}
		return found
	}
	claimed := words(`(?m)no reply  (.+)$`, "requests", "--claimed")
	consumers := words(`(?m)^consumer (.+)  at 1,`, "status")
	if len(claimed) != len(names) || len(consumers) != len(names) {
		t.Fatalf("%d claims and %d consumers are shown, of %d", len(claimed), len(consumers), len(names))
	}
	slices.Sort(names) // as the listings have them
	for i := range names {
		typed("resolve --nothing -- %s", claimed[i])
		streams := words(`(?m)^(.+) 1  paid, since`, "parked", "--", names[i])
		if len(streams) != 1 {
			t.Fatalf("%d streams of %q are shown", len(streams), names[i])
		}
		typed("retry -- %s %s", consumers[i], streams[0])
		typed("discard -- %s %s 1", consumers[i], streams[0])
		typed("forget -- %s", consumers[i])
	}
	for _, table := range []string{"request", "parked", "cursor"} {
		var left int
		if err := n.pool.QueryRow(t.Context(), "SELECT count(*) FROM mainstem."+table).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d rows of %s were not repaired (%v)", left, table, err)
		}
	}
}
