// Package bloburl reads where snapshots and archives are kept, and opens it.
package bloburl

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/blob/s3"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/logurl"
	"github.com/mainstemdb/mainstem/journal"
)

// URL is where a store of blobs is:
//
//	dir:///var/backups/shop    a directory; dir://backups is relative
//	s3://HOST/BUCKET/PREFIX?region=…    a bucket, with keys from the environment or the file of AWS
//	postgres://…, jetstream://…    beside the log of a cluster: see package logurl
type URL struct {
	dir string
	s3  *url.URL
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
	case scheme == "s3":
		return u.bucket(string(text))
	case scheme == "postgres", scheme == "postgresql", strings.HasPrefix(scheme, "jetstream"):
		return u.log.UnmarshalText(text)
	}
	return fmt.Errorf("no store of blobs is at %.20q; write dir://PATH, s3://HOST/BUCKET, or the log's postgres://… or jetstream://…", scheme)
}

// bucket reads the URL of a bucket. Keys are never in it.
func (u *URL) bucket(text string) error {
	b, err := url.Parse(text)
	const form = "write s3://HOST[:PORT]/BUCKET[/PREFIX][?region=REGION&tls=off]"
	switch {
	case err != nil:
		return errors.New("the store's URL cannot be read; " + form)
	case b.User != nil:
		return errors.New("the store's URL has a key in it, which others can see; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or a file of AWS credentials")
	case b.Host == "" || strings.Trim(b.Path, "/") == "":
		return errors.New("the store's URL names no bucket; " + form)
	}
	for name, values := range b.Query() {
		if name != "region" && (name != "tls" || values[0] != "off") {
			return fmt.Errorf("the store's URL has %.20q, which is not known; %s", name+"="+values[0], form)
		}
	}
	if _, err := s3.Open(place(b)); err != nil {
		return fmt.Errorf("%w; %s", err, form)
	}
	u.s3 = b
	return nil
}

// place is what the URL of a bucket says.
func place(b *url.URL) s3.Config {
	bucket, prefix, _ := strings.Cut(strings.Trim(b.Path, "/"), "/")
	q := b.Query()
	return s3.Config{Endpoint: b.Host, Bucket: bucket, Prefix: prefix, Region: q.Get("region"), Plain: q.Get("tls") == "off"}
}

// MarshalText writes it without its password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// String is the URL without its password. The zero URL is empty.
func (u URL) String() string {
	switch {
	case u.dir != "":
		return "dir://" + u.dir
	case u.s3 != nil:
		return u.s3.String()
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
	switch {
	case u.dir != "":
		return &Store{Store: dir.Open(u.dir)}, nil
	case u.s3 != nil:
		bucket, err := s3.Open(place(u.s3))
		if err != nil {
			return nil, err
		}
		return &Store{Store: bucket}, nil
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
