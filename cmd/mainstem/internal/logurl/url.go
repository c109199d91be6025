// Package logurl reads where the log of a cluster is, and opens it.
package logurl

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/internal/spelling"
)

// URL is where a log is:
//
//	postgres://USER@HOST:PORT/DATABASE?schema=mainstem_log
//	jetstream://HOST:PORT,HOST:PORT/NAME?replicas=3&partitions=1&monitor=http://HOST:PORT
//
// jetstream+tls encrypts. What is not named here of PostgreSQL's is as libpq has it.
// A password may be in it and is never shown; better it is in a file that PGPASSFILE
// or credentials= names.
type URL struct {
	text                      string
	scheme, user, hosts, name string
	query                     url.Values
}

// known are what the query may say for JetStream; for PostgreSQL libpq knows the rest.
var known = []string{"replicas", "partitions", "monitor", "credentials", "ca"}

// UnmarshalText reads one. Errors show nothing of it but its scheme and its keys.
func (u *URL) UnmarshalText(text []byte) error {
	*u = URL{}
	if len(text) == 0 {
		return nil
	}
	scheme, rest, ok := strings.Cut(string(text), "://")
	if !ok {
		return fmt.Errorf("the log's URL has no scheme; write postgres://… or jetstream://…")
	}
	switch scheme {
	case "postgres", "postgresql", "jetstream", "jetstream+tls":
	default:
		return fmt.Errorf("no log is at %.20q; write postgres://… or jetstream://…", scheme)
	}
	u.scheme = scheme
	rest, query, _ := strings.Cut(rest, "?")
	where, name, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(where, "@"); at >= 0 {
		u.user, where = where[:at], where[at+1:]
	}
	u.hosts, u.name, u.text = where, name, string(text)
	var err error
	if u.query, err = url.ParseQuery(query); err != nil {
		return fmt.Errorf("what follows the ? of the log's URL does not parse")
	}
	if u.jetstream() {
		return u.checkJetStream()
	}
	return nil
}

func (u *URL) jetstream() bool { return strings.HasPrefix(u.scheme, "jetstream") }

func (u *URL) checkJetStream() error {
	for key, values := range u.query {
		switch {
		case !slices.Contains(known, key):
			if near := spelling.Nearest(key, known); near != "" {
				return fmt.Errorf("the log's URL has no %.20q; did you mean %s?", key, near)
			}
			return fmt.Errorf("the log's URL has no %.20q; it may have %s", key, strings.Join(known, ", "))
		case len(values) > 1 && key != "monitor":
			return fmt.Errorf("the log's URL has %s twice", key)
		}
	}
	switch {
	case u.hosts == "":
		return fmt.Errorf("the log's URL names no server; write jetstream://HOST:4222/NAME")
	case u.name == "":
		return fmt.Errorf("the log's URL names no database; write jetstream://%s/NAME", u.hosts)
	}
	return nil
}

// Text is the URL as it was given, with its password.
func (u URL) Text() string { return u.text }

// Secret reports whether a password is in it.
func (u URL) Secret() bool {
	for key, values := range u.query {
		if strings.Contains(key, "password") && strings.Join(values, "") != "" {
			return true
		}
	}
	_, secret, _ := strings.Cut(u.user, ":")
	return secret != ""
}

// MarshalText writes it without its password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// String is the URL without its password. The zero URL is empty.
func (u URL) String() string {
	if u.scheme == "" {
		return ""
	}
	user, _, secret := strings.Cut(u.user, ":")
	if secret {
		user += ":…"
	}
	if user != "" {
		user += "@"
	}
	shown := url.Values{}
	for key, values := range u.query {
		if strings.Contains(key, "password") {
			values = []string{"…"}
		}
		shown[key] = values
	}
	query, err := url.QueryUnescape(shown.Encode())
	if err != nil || query != "" {
		query = "?" + query
	}
	return u.scheme + "://" + user + u.hosts + "/" + u.name + query
}
