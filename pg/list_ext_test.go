package pg_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

// readOnly is the same schema through connections that may not write.
func readOnly(t *testing.T, db *pg.DB) *pg.DB {
	t.Helper()
	config := db.Pool.Config()
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &pg.DB{Pool: pool, Schema: db.Schema}
}

// awkward are names in the order of their bytes: what a prefix must not miss, and
// what SQL and UTF-8 treat specially.
var awkward = []string{
	"", " ", "%", "'", "--", "A", "a", "a'b", "ab", "a|", "a|b", "a\u00ff", "a\ud7ff", "a\ud7ffz", "a\ue000",
	"a\U0010ffff", "a\U0010ffff\U0010ffffz", "b", "b_", "\u00e4", "\U0010ffff",
}

// TestList: every listing gives the names with a prefix, all of them and no
// others, page by page, without a right to write.
func TestList(t *testing.T) {
	db := open(t)
	for _, name := range awkward[1:] {
		for _, sql := range []string{
			"INSERT INTO $S.request VALUES ($1, '', 1, '', now(), now())", "INSERT INTO $S.lease VALUES ($1, 7, '', now())",
			"INSERT INTO $S.fence VALUES ($1, 7)",
		} {
			if _, err := db.Pool.Exec(t.Context(), strings.ReplaceAll(sql, "$S", db.Schema), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	look := readOnly(t, db)
	kinds := map[string]func(w pg.Which) ([]string, error){
		"requests": func(w pg.Which) ([]string, error) {
			rows, err := look.Requests(t.Context(), w)
			return names(rows, func(r pg.RequestStatus) string { return r.Key }), err
		},
		"leases": func(w pg.Which) ([]string, error) {
			rows, err := look.Leases(t.Context(), w)
			return names(rows, func(l pg.LeaseStatus) string { return l.Name }), err
		},
		"fences": func(w pg.Which) ([]string, error) {
			rows, err := look.Fences(t.Context(), w)
			return names(rows, func(f pg.FenceStatus) string { return f.Resource }), err
		},
	}
	for kind, list := range kinds {
		for _, prefix := range awkward {
			var want, got []string
			for _, name := range awkward[1:] {
				if strings.HasPrefix(name, prefix) {
					want = append(want, name)
				}
			}
			for w := (pg.Which{Prefix: prefix, Max: 2}); ; w.After = got[len(got)-1] {
				page, err := list(w)
				wantCode(t, err, 0)
				if got = append(got, page...); len(page) < 2 {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s with %q: %q, want %q", kind, prefix, got, want)
			}
		}
		for _, wrong := range []pg.Which{{Max: -1}, {Max: pg.LimitList + 1}, {Prefix: "\x00"}, {After: "\xff"}} {
			_, err := list(wrong)
			wantCode(t, err, mainstem.Invalid)
		}
		_, err := list(pg.Which{Prefix: strings.Repeat("a", mainstem.LimitName+1)})
		wantCode(t, err, mainstem.TooLarge)
	}
	run(t, db, "INSERT INTO $S.fence SELECT 'many/' || n, 1 FROM generate_series(1, 1001) n")
	if many, err := look.Fences(t.Context(), pg.Which{}); err != nil || len(many) != pg.LimitList {
		t.Errorf("%d rows by default: %v", len(many), err)
	}
}

func names[T any](rows []T, name func(T) string) (all []string) {
	for _, row := range rows {
		all = append(all, name(row))
	}
	return all
}

// TestRequests: each state is told apart, with its times and its reply; the mark
// of a claim is no reply.
func TestRequests(t *testing.T) {
	db := open(t)
	look := readOnly(t, db)
	for _, refused := range []bool{false, true} {
		r := pg.Request{Key: fmt.Sprintf("refused %t", refused), Age: time.Hour, Refusals: true}
		_, err := db.Run(t.Context(), r, func(context.Context, pgx.Tx) ([]byte, error) {
			if refused {
				return nil, pg.Refuse([]byte("no"))
			}
			return []byte("done"), nil
		})
		wantCode(t, err, 0)
	}
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		return h.ClaimFirst(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	})
	s.wants("/", "k", "", http.StatusBadGateway, "")
	run(t, db, "UPDATE $S.request SET made = made - interval '2 hours' WHERE state = 3")
	all, err := look.Requests(t.Context(), pg.Which{})
	wantCode(t, err, 0)
	claims, err := look.Claims(t.Context(), pg.Which{})
	wantCode(t, err, 0)
	if len(claims) != 1 || claims[0].Key != pg.Key("http", "", "k") || claims[0].Elapsed < 2*time.Hour || claims[0].Size != 0 {
		t.Errorf("claims: %+v", claims)
	}
	said := ""
	for _, r := range all {
		reply, known, err := look.Reply(t.Context(), r.Key)
		said += fmt.Sprintf("%s: %s %d %q %t %v\n", r.Key, r.State, r.Size, reply, known, err)
		if kept := r.Until.Sub(r.Made); r.State != pg.RequestClaimed && (kept < time.Hour || kept > time.Hour+time.Minute || r.Elapsed > time.Minute) {
			t.Errorf("%s is kept for %s, made %s ago", r.Key, kept, r.Elapsed)
		}
	}
	if want := "http||k|: claimed 0 \"\" true <nil>\nrefused false: done 4 \"done\" true <nil>\nrefused true: refused 2 \"no\" true <nil>\n"; said != want {
		t.Errorf("it says\n%swant\n%s", said, want)
	}
	if reply, known, err := look.Reply(t.Context(), "nothing"); reply != nil || known || err != nil {
		t.Errorf("a key that nobody used: %q %t %v", reply, known, err)
	}
	_, _, err = look.Reply(t.Context(), "")
	wantCode(t, err, mainstem.Invalid)
}

// TestReadHTTPReply: what was kept is read back, and nothing else is.
func TestReadHTTPReply(t *testing.T) {
	db := open(t)
	runs := 0
	s := serve(t, db, func(h *pg.HTTP) http.Handler { return h.InTransaction(echo(t, db, &runs)) })
	s.wants("/201", "k", "a", 201, "run 1 of a")
	kept, known, err := db.Reply(t.Context(), pg.Key("http", "", "k"))
	if err != nil || !known {
		t.Fatal(known, err)
	}
	status, header, body, err := pg.ReadHTTPReply(kept)
	if err != nil || status != 201 || header.Get("Link") != "one" || string(body) != "run 1 of a" {
		t.Errorf("%d %v %s: %v", status, header, body, err)
	}
	for _, other := range []string{"", "x", "{}", `{"status":"201"}`, `{"status":199}`} {
		_, _, _, err := pg.ReadHTTPReply([]byte(other))
		wantCode(t, err, mainstem.Corrupt)
	}
}

// TestLeases: who holds what, what ran out, what was given back, and the tokens
// that resources have seen.
func TestLeases(t *testing.T) {
	db := open(t)
	look := readOnly(t, db)
	tokens := map[string]mainstem.FencingToken{}
	for _, name := range []string{"back", "held", "out"} {
		grant, err := db.Acquire(t.Context(), name, "ann", time.Hour)
		wantCode(t, err, 0)
		tokens[name] = grant.Token
		if name == "back" {
			wantCode(t, db.Release(t.Context(), grant), 0)
		}
	}
	run(t, db, "UPDATE $S.lease SET until = until - interval '2 hours' WHERE name = 'out'")
	leases, err := look.Leases(t.Context(), pg.Which{})
	wantCode(t, err, 0)
	said := ""
	for _, l := range leases {
		said += fmt.Sprintf("%s %s released %t held %t %s, ", l.Name, l.Owner, l.Released, l.Held(), l.Left.Round(time.Hour))
		if l.Token != tokens[l.Name] {
			t.Errorf("%s has token %d, want %d", l.Name, l.Token, tokens[l.Name])
		}
	}
	if want := "back ann released true held false 0s, held ann released false held true 1h0m0s, out ann released false held false -1h0m0s, "; said != want {
		t.Errorf("it says %s want %s", said, want)
	}
	for _, token := range []mainstem.FencingToken{5, 1 << 41} {
		wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			return pg.Fence(t.Context(), pg.In(db.Schema, tx), "account", token)
		}), 0)
	}
	fences, err := look.Fences(t.Context(), pg.Which{})
	if wantCode(t, err, 0); fmt.Sprint(fences) != "[{account 2199023255552}]" {
		t.Errorf("fences %v", fences)
	}
}

// TestOldest: reading begins at what is kept, and where nothing is, at what comes.
func TestOldest(t *testing.T) {
	db := open(t)
	oldest := func(want mainstem.Position) {
		t.Helper()
		if got, err := readOnly(t, db).Oldest(t.Context()); err != nil || got != want {
			t.Errorf("oldest %d (%v), want %d", got, err, want)
		}
	}
	oldest(0)
	relaying(t, db, false)
	put(t, db, "a1", "a2", "a3")
	numbered(t, db, 3)
	oldest(0)
	run(t, db, "DELETE FROM $S.numbered WHERE position < 3; DELETE FROM $S.event WHERE data < '3'")
	oldest(2)
	events, err := db.Events(t.Context(), 2, 10)
	if err != nil || len(events) != 1 {
		t.Errorf("%d events after the oldest: %v", len(events), err)
	}
	run(t, db, "TRUNCATE $S.numbered, $S.event")
	oldest(3)
}

// TestListsOnStandby: what can be looked at on the primary can be on a standby.
func TestListsOnStandby(t *testing.T) {
	db := open(t)
	run(t, db, `INSERT INTO $S.request VALUES ('k', '', 3, '', now(), now());
		INSERT INTO $S.lease VALUES ('l', 1, '', now()); INSERT INTO $S.fence VALUES ('f', 1)`)
	on := sameOn(t, db, another(t, func(ctx context.Context) (*pgserver.Server, error) { return server.On(t).Standby(ctx, "lists") }))
	for what, list := range map[string]func() (int, error){
		"requests": func() (int, error) { rows, err := on.Requests(t.Context(), pg.Which{}); return len(rows), err },
		"claims":   func() (int, error) { rows, err := on.Claims(t.Context(), pg.Which{}); return len(rows), err },
		"leases":   func() (int, error) { rows, err := on.Leases(t.Context(), pg.Which{}); return len(rows), err },
		"fences":   func() (int, error) { rows, err := on.Fences(t.Context(), pg.Which{}); return len(rows), err },
	} {
		if n, err := list(); n != 1 || err != nil {
			t.Errorf("%d %s on a standby: %v", n, what, err)
		}
	}
	if _, known, err := on.Reply(t.Context(), "k"); !known || err != nil {
		t.Errorf("a reply on a standby: %t %v", known, err)
	}
}
