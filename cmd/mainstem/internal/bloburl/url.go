// Package bloburl reads where snapshots and archives are kept, and opens it.
package bloburl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/logurl"
	"github.com/mainstemdb/mainstem/journal"
)

// URL is where a store of blobs is:
//
//	dir:///var/backups/shop    a directory; dir://backups is relative
//	postgres://…, jetstream://…    beside the log of a cluster: see package logurl
type URL struct {
	dir string
	log logurl.URL
}

// UnmarshalText reads one. Errors show nothing of it but its scheme.
func (u *URL) UnmarshalText(text []byte) error {
	*u = URL{}
	if len(text) == 0 {
		return nil
	}
	scheme, rest, ok := strings.Cut(string(text), "://")
	switch {
	case !ok:
		return fmt.Errorf("the store's URL has no scheme; write dir://%.60s for a directory", text)
	case scheme == "dir" && rest == "":
		return fmt.Errorf("the store's URL names no directory; write dir://PATH")
	case scheme == "dir":
		u.dir = rest
		return nil
	case scheme == "postgres", scheme == "postgresql", strings.HasPrefix(scheme, "jetstream"):
		return u.log.UnmarshalText(text)
	}
	return fmt.Errorf("no store of blobs is at %.20q; write dir://PATH, or the log's postgres://… or jetstream://…", scheme)
}

// MarshalText writes it without its password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// String is the URL without its password. The zero URL is empty.
func (u URL) String() string {
	if u.dir != "" {
		return "dir://" + u.dir
	}
	return u.log.String()
}

// Store is an open store of blobs.
type Store struct {
	blob.Store
	logs []journal.Log // that hold the connection to it
}

// Close ends the connection, if there is one.
func (s *Store) Close() error {
	var errs []error
	for _, l := range s.logs {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Open reaches the store.
func (u URL) Open(ctx context.Context) (*Store, error) {
	if u.dir != "" {
		return &Store{Store: dir.Open(u.dir)}, nil
	}
	// How durable the log is is its nodes' affair: here it is only the way to its blobs.
	d, err := u.log.Open(ctx, true)
	if err != nil {
		return nil, err
	}
	s := &Store{Store: d.Blobs, logs: d.Logs}
	if d.Blobs == nil {
		e := mainstem.Errorf(mainstem.Invalid, "the log at %s keeps no snapshots", u)
		e.Advice = "name another store, for example dir://PATH"
		return nil, errors.Join(e, s.Close())
	}
	return s, nil
}
