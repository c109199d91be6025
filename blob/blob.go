// Package blob is named blobs in a store outside of a database: what snapshots and
// archives of its records are kept as.
//
// A directory (package blob/dir), PostgreSQL, JetStream and S3 are Stores. The
// suite in blob/blobtest says what a Store must do.
package blob

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Limits of a blob (L10).
const (
	// LimitBlob is the most bytes of a blob.
	LimitBlob = 16 << 20
	// LimitName is the most bytes of a blob's name.
	LimitName = 200
)

var (
	// ErrMissing: there is no blob of that name.
	ErrMissing = errors.New("blob: missing")
	// ErrCorrupt: what is stored is not what was put (L12).
	ErrCorrupt = errors.New("blob: corrupt")
	// ErrInvalid: the name or the size is none that a Store takes. Nothing was done.
	ErrInvalid = errors.New("blob: invalid")
)

// Store keeps named blobs. Its methods may be called from several goroutines and
// processes at once. Every other error than those named here says that the store
// could not be reached or refused, and that it is worth another try.
type Store interface {
	// Put keeps data under a name, in the place of what was there before. When it
	// returns nil the blob is durable and is what everybody gets; when it does not,
	// the name has its old content or its new one, and never a part.
	Put(ctx context.Context, name string, data []byte) error
	// Get returns a blob whole, held to its hash: ErrMissing or ErrCorrupt
	// otherwise. The bytes are the caller's.
	Get(ctx context.Context, name string) ([]byte, error)
	// List returns the names that begin with prefix, in ascending order; an empty
	// prefix means all. A blob that is put or deleted meanwhile may be in it or not.
	List(ctx context.Context, prefix string) ([]string, error)
	// Delete removes a blob. One that is not there is no error, so that several
	// may delete the same.
	Delete(ctx context.Context, name string) error
}

// CheckName refuses what is not a name: words of a-z, 0-9 and - with / between
// them, so that a name is one everywhere.
func CheckName(name string) error {
	if len(name) > LimitName {
		return fmt.Errorf("%w: a name of %d bytes; the limit is %d", ErrInvalid, len(name), LimitName)
	}
	for word := range strings.SplitSeq(name, "/") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%w: name %q; it is words of a-z, 0-9 and - with / between them", ErrInvalid, name)
		}
	}
	return nil
}

// CheckPrefix refuses what begins no name.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckName(strings.TrimSuffix(prefix, "/"))
}
