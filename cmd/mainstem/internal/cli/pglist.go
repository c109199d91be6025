package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// pgNames says which names a listing shows.
type pgNames struct {
	Prefix string `help:"Only names that begin so." placeholder:"PREFIX"`
	After  string `help:"Begin after this name, as an earlier listing ended with it." placeholder:"NAME"`
	Limit  int    `help:"Stop after this many; 100 unless given." default:"100" placeholder:"N"`
}

// eachNamed shows a list page by page, up to the limit, and says how to go on.
func eachNamed[T any](e *env, n pgNames, list func(pg.Which) ([]T, error), name func(*T) string, show func(*T) error) error {
	if err := atLeastOne(n.Limit); err != nil {
		return err
	}
	last := n.After
	for seen := 0; ; {
		most := min(n.Limit-seen+1, pg.LimitList) // one more tells whether there are more
		rows, err := list(pg.Which{Prefix: n.Prefix, After: last, Max: most})
		if err != nil {
			return err
		}
		for i := range rows {
			if seen == n.Limit {
				e.notef("more follow: --after %s", shell(last))
				return nil
			}
			if err := show(&rows[i]); err != nil {
				return err
			}
			last = name(&rows[i])
			seen++
		}
		if len(rows) < most {
			if seen == 0 {
				e.notef("none")
			}
			return nil
		}
	}
}

type pgRequestsCmd struct {
	pgServer
	pgNames
	Key     string `arg:"" optional:"" help:"Only the request of exactly this key."`
	Claimed bool   `help:"Only claimed requests, whose outcome nobody knows once their handler has ended. Looks at every key with the prefix."`
	Reply   bool   `help:"Show what was answered, too."`
}

// Help is shown below the flags.
func (*pgRequestsCmd) Help() string {
	return `Shows state, times, the size of the reply and the key of each request, in the order of keys. Changes nothing. A key is printed as a shell reads it: copy it, with its quotes, behind pg resolve. One that begins with - stands last, after --. A KEY that is not there is exit code 3.

The key of pg.HTTP is http|WHO|KEY| as pg.Key writes it.

Examples:

    mainstem pg requests --claimed
    mainstem pg requests --prefix 'http|acme|'
    mainstem pg requests 'http|acme|order-7|' --reply`
}

// pgRequestJSON is a request, with its reply where it was asked for: the
// response, or the bytes, as text or not.
type pgRequestJSON struct {
	Key      string          `json:"key"`
	State    string          `json:"state"`
	Made     time.Time       `json:"made"`
	Elapsed  string          `json:"elapsed"`
	Until    time.Time       `json:"until"`
	Size     int64           `json:"size"`
	Response *pgResponseJSON `json:"response,omitempty"`
	Reply    *string         `json:"reply,omitempty"`
	Base64   []byte          `json:"reply_base64,omitempty"`
}

type pgResponseJSON struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   *string     `json:"body,omitempty"`
	Base64 []byte      `json:"body_base64,omitempty"`
}

func (c *pgRequestsCmd) Run(e *env) error {
	if c.Key != "" && (c.Prefix != "" || c.After != "" || c.Claimed) {
		return misused("give KEY alone, or none", "KEY is one request, and --prefix, --after and --claimed choose among many")
	}
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		claimed := false
		err := c.each(ctx, e, db, func(r *pg.RequestStatus) error {
			claimed = claimed || r.State == pg.RequestClaimed
			return c.print(ctx, e, db, r)
		})
		if claimed && err == nil {
			e.notef("a claim may be running still, for as long as ClaimFor (%s unless chosen); after that find out what happened, and say it:\n"+
				"mainstem pg resolve KEY --nothing, or --status CODE --body TEXT", pg.DefaultClaim)
		}
		return err
	})
}

// each shows the requests that were asked for.
func (c *pgRequestsCmd) each(ctx context.Context, e *env, db *pg.DB, show func(*pg.RequestStatus) error) error {
	if c.Key == "" {
		list := db.Requests
		if c.Claimed {
			list = db.Claims
		}
		return eachNamed(e, c.pgNames, func(w pg.Which) ([]pg.RequestStatus, error) { return list(ctx, w) },
			func(r *pg.RequestStatus) string { return r.Key }, show)
	}
	found, err := db.Requests(ctx, pg.Which{Prefix: c.Key, Max: 1})
	switch {
	case err != nil:
		return err
	case len(found) == 0 || found[0].Key != c.Key:
		return notFound("see what is: mainstem pg requests --prefix PREFIX", "no request %s is kept", shell(c.Key))
	}
	return show(&found[0])
}

func (c *pgRequestsCmd) print(ctx context.Context, e *env, db *pg.DB, r *pg.RequestStatus) error {
	j := pgRequestJSON{Key: r.Key, State: r.State.String(), Made: r.Made.UTC(), Elapsed: ago(r.Elapsed), Until: r.Until.UTC(), Size: r.Size}
	if c.Reply && r.State != pg.RequestClaimed {
		reply, _, err := db.Reply(ctx, r.Key)
		if err != nil {
			return err
		}
		j.answered(reply)
	}
	if e.json {
		return e.object(j)
	}
	kept := fmt.Sprintf("kept until %s, %s", timeOf(r.Until), counted(int(r.Size), "byte"))
	if r.State == pg.RequestClaimed {
		kept = "no reply"
	}
	_, err := fmt.Fprintf(e.out, "%-7s  made %s, %s ago, %s  %s\n%s", r.State, timeOf(r.Made), ago(r.Elapsed), kept, shell(r.Key), j.text())
	return err
}

// answered sets the reply. That of pg.HTTP is known by its key.
func (j *pgRequestJSON) answered(reply []byte) {
	if strings.HasPrefix(j.Key, pg.Key("http")) {
		if status, header, body, err := pg.ReadHTTPReply(reply); err == nil {
			j.Response = &pgResponseJSON{Status: status, Header: header}
			j.Response.Body, j.Response.Base64 = textOr(body)
			return
		}
	}
	j.Reply, j.Base64 = textOr(reply)
}

// text is the reply on a line of its own, if there is one.
func (j *pgRequestJSON) text() string {
	either := func(text *string, binary []byte) string {
		if text != nil {
			binary = []byte(*text)
		}
		return plain(binary)
	}
	switch {
	case j.Response != nil:
		return fmt.Sprintf("         %d  %s\n", j.Response.Status, either(j.Response.Body, j.Response.Base64))
	case j.Reply != nil, j.Base64 != nil:
		return "         " + either(j.Reply, j.Base64) + "\n"
	}
	return ""
}

// ago is a duration as a person reads it.
func ago(d time.Duration) string { return max(d, 0).Round(time.Second).String() }

type pgLeasesCmd struct {
	pgServer
	pgNames
	Fences bool `help:"Protected resources too, with the highest token that each has seen."`
}

// Help is shown below the flags.
func (*pgLeasesCmd) Help() string {
	return `Shows who holds each lease and for how long, or who held it last. Changes nothing. A name that begins with ~ is Mainstem's own: ~relay is held by whoever numbers events, ~cursor/NAME by whoever runs the consumer NAME. A resource refuses every token below the one shown.

Examples:

    mainstem pg leases
    mainstem pg leases --prefix billing --fences --json`
}

// pgLeaseJSON is a lease, or a protected resource.
type pgLeaseJSON struct {
	Lease    string                `json:"lease,omitempty"`
	Resource string                `json:"resource,omitempty"`
	State    string                `json:"state,omitempty"`
	Owner    string                `json:"owner,omitempty"`
	Left     string                `json:"left,omitempty"`
	Token    mainstem.FencingToken `json:"token"`
	Own      bool                  `json:"own,omitempty"`
}

func (c *pgLeasesCmd) Run(e *env) error {
	return c.with(e, func(ctx context.Context, db *pg.DB) error {
		err := eachNamed(e, c.pgNames, func(w pg.Which) ([]pg.LeaseStatus, error) { return db.Leases(ctx, w) },
			func(l *pg.LeaseStatus) string { return l.Name }, func(l *pg.LeaseStatus) error { return printLease(e, l) })
		if err != nil || !c.Fences {
			return err
		}
		return eachNamed(e, c.pgNames, func(w pg.Which) ([]pg.FenceStatus, error) { return db.Fences(ctx, w) },
			func(f *pg.FenceStatus) string { return f.Resource }, func(f *pg.FenceStatus) error { return printFence(e, f) })
	})
}

func printLease(e *env, l *pg.LeaseStatus) error {
	j := pgLeaseJSON{Lease: l.Name, Owner: l.Owner, Token: l.Token, Own: own(l.Name)}
	by, rest := "by", ""
	switch {
	case l.Held():
		j.State, j.Left = "held", l.Left.Round(100*time.Millisecond).String()
		rest = ", " + j.Left + " left"
	case l.Released:
		j.State, by = "released", "last by"
	default:
		j.State, by = "expired", "last by"
		rest = ", " + ago(-l.Left) + " ago"
	}
	if e.json {
		return e.object(j)
	}
	_, err := fmt.Fprintf(e.out, "%-8s  %s %s%s, token %d  %s\n", j.State, by, shell(l.Owner), rest, l.Token, marked(l.Name))
	return err
}

func printFence(e *env, f *pg.FenceStatus) error {
	if e.json {
		return e.object(pgLeaseJSON{Resource: f.Resource, Token: f.Token, Own: own(f.Resource)})
	}
	_, err := fmt.Fprintf(e.out, "%-8s  token %d  %s\n", "fence", f.Token, marked(f.Resource))
	return err
}

func own(name string) bool { return strings.HasPrefix(name, "~") }

// marked is a name, and whether it is Mainstem's own.
func marked(name string) string {
	if own(name) {
		return shell(name) + "  (Mainstem's own)"
	}
	return shell(name)
}
