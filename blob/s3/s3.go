// Package s3 keeps blobs in a bucket of a service that speaks S3: Amazon's, or one of
// the many that do as it does.
//
// An object is there whole or not at all, and whoever asks after a Put was answered is
// given it: Amazon S3 promises both ("Amazon S3 data consistency model"); of another
// service, see that it does.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/mainstemdb/mainstem/blob"
)

// Limits of a call (L10).
const (
	// DefaultTimeout is how long a call may take, with its repetitions; of a List, how
	// long each thousand of names.
	DefaultTimeout = time.Minute
	// LimitTries is how often a request is sent at most that fails in a way that may pass.
	LimitTries = 5
)

// suffix ends the key of each object: services that keep objects as files cannot have
// one whose key is another's directory.
const suffix = ".blob"

// Config is where a store is.
type Config struct {
	// Endpoint is host and port of the service, for example s3.eu-central-1.amazonaws.com.
	Endpoint string
	// Bucket has to exist. Prefix stands before the names of all blobs, with a / between.
	Bucket, Prefix string
	// Region is that of the bucket; empty asks the service for it.
	Region string
	// Plain speaks HTTP without TLS.
	Plain bool
	// Timeout replaces DefaultTimeout.
	Timeout time.Duration
}

// Store is a blob.Store in a bucket.
type Store struct {
	client  *minio.Client
	bucket  string
	prefix  string // ends in / unless it is empty
	timeout time.Duration
}

var _ blob.Store = (*Store)(nil)

// Open makes a Store. The service is not asked yet. Its keys come from the environment
// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), from the file of AWS
// credentials, or from the machine's own role, whichever there is first.
func Open(c Config) (*Store, error) {
	if err := blob.CheckPrefix(c.Prefix); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	client, err := minio.New(c.Endpoint, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}},
		}),
		Secure: !c.Plain, Region: c.Region, MaxRetries: LimitTries,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	s := &Store{client: client, bucket: c.Bucket, prefix: c.Prefix, timeout: c.Timeout}
	if s.prefix != "" {
		s.prefix = strings.TrimSuffix(s.prefix, "/") + "/"
	}
	return s, nil
}

func (s *Store) key(name string) string { return s.prefix + name + suffix }

// Put writes one object. The service compares its hash with what it got.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	sealed, err := blob.Seal(name, data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = s.client.PutObject(ctx, s.bucket, s.key(name), bytes.NewReader(sealed), int64(len(sealed)), minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true, SendContentMd5: true,
	})
	return s.fault(err, "putting", name)
}

// Get reads one object.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	object, err := s.client.GetObject(ctx, s.bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, s.fault(err, "getting", name)
	}
	defer object.Close() //nolint:errcheck // what was read is held to its hash
	sealed, err := io.ReadAll(io.LimitReader(object, blob.LimitSealed+1))
	if err != nil {
		return nil, s.fault(err, "getting", name)
	}
	return blob.Open(name, sealed)
}

// List asks for all names, a thousand at a time.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	if err := blob.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(s.timeout, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	var names []string
	for object := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, s.fault(object.Err, "listing", prefix)
		}
		late.Reset(s.timeout)
		name, ours := strings.CutSuffix(strings.TrimPrefix(object.Key, s.prefix), suffix)
		if ours && blob.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	if ctx.Err() != nil { // the list ends without a word then
		return nil, s.fault(context.Cause(ctx), "listing", prefix)
	}
	slices.Sort(names)
	return names, nil
}

// Delete removes one object.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.fault(s.client.RemoveObject(ctx, s.bucket, s.key(name), minio.RemoveObjectOptions{}), "deleting", name)
	if errors.Is(err, blob.ErrMissing) {
		return nil
	}
	return err
}

// fault says what a call came to.
func (s *Store) fault(err error, doing, name string) error {
	switch {
	case err == nil:
		return nil
	case minio.ToErrorResponse(err).Code == minio.NoSuchKey:
		return fmt.Errorf("%w: %s in bucket %s", blob.ErrMissing, s.key(name), s.bucket)
	}
	return fmt.Errorf("s3: %s blob %s in bucket %s: %w", doing, s.prefix+name, s.bucket, err)
}
