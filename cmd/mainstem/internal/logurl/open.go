package logurl

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/journal"
)

// Open reaches the log. Where settings of the engine weaken what an acknowledgement
// means it is refused as mainstem.Weak, unless weak is accepted.
func (u URL) Open(ctx context.Context, weak bool) (*journal.Database, error) {
	if !u.jetstream() {
		return u.openPostgres(ctx, weak)
	}
	o := jetstream.Options{
		URL: u.nats(), Name: u.name, Monitor: u.query["monitor"], AcceptWeakDurability: weak,
	}
	var err error
	if o.Replicas, err = u.number("replicas"); err != nil {
		return nil, err
	}
	partitions, err := u.number("partitions")
	if err != nil {
		return nil, err
	}
	if file := u.query.Get("credentials"); file != "" {
		o.NATS = append(o.NATS, nats.UserCredentials(file))
	}
	if file := u.query.Get("ca"); file != "" {
		o.NATS = append(o.NATS, nats.RootCAs(file))
	}
	return jetstream.OpenDatabase(ctx, o, partitions)
}

func (u URL) openPostgres(ctx context.Context, weak bool) (*journal.Database, error) {
	rest := url.Values{}
	for key, values := range u.query {
		if key != "schema" {
			rest[key] = values
		}
	}
	at := u.user
	if at != "" {
		at += "@"
	}
	return postgres.Open(ctx, postgres.Config{
		URL:    u.scheme + "://" + at + u.hosts + "/" + u.name + "?" + rest.Encode(),
		Schema: u.query.Get("schema"), AcceptWeak: weak,
	})
}

// nats is the URL of each server.
func (u URL) nats() string {
	scheme, at := "nats://", u.user
	if u.scheme == "jetstream+tls" {
		scheme = "tls://"
	}
	if at != "" {
		at += "@"
	}
	all := strings.Split(u.hosts, ",")
	for i, host := range all {
		all[i] = scheme + at + host
	}
	return strings.Join(all, ",")
}

// number is a number of the query; 0 where there is none.
func (u URL) number(key string) (int, error) {
	text := u.query.Get(key)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, mainstem.Errorf(mainstem.Invalid, "%s=%.20s in the log's URL is no number", key, text)
	}
	return n, nil
}
