package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/blob"
)

// blobs are the snapshots that lie beside the log, in an object store of the same
// servers: on disk, and on as many of them as the log. They can be used as long as the
// log of the first partition is open.
type blobs struct {
	log *Log

	mu     sync.Mutex
	bucket jetstream.ObjectStore // nil before the first use
}

var _ blob.Store = (*blobs)(nil)

// changing is how often a blob is read again that another one has replaced meanwhile.
const changing = 10

// open finds the object store, or makes it.
func (b *blobs) open(ctx context.Context) (jetstream.ObjectStore, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bucket != nil {
		return b.bucket, nil
	}
	js, err := jetstream.New(b.log.conn)
	if err != nil {
		return nil, err
	}
	name := "mainstem-" + b.log.cfg.Name
	bucket, err := js.ObjectStore(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: name, Description: "snapshots of a Mainstem database", Storage: jetstream.FileStorage, Replicas: b.log.cfg.Replicas,
		})
	}
	if errors.Is(err, jetstream.ErrBucketExists) { // another node was first
		bucket, err = js.ObjectStore(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("jetstream: object store %s: %w", name, err)
	}
	b.bucket = bucket
	return bucket, nil
}

// within opens the store and bounds what is done with it.
func (b *blobs) within(ctx context.Context, doing, name string, fn func(context.Context, jetstream.ObjectStore) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.log.cfg.Timeout)
	defer cancel()
	bucket, err := b.open(ctx)
	if err == nil {
		err = fn(ctx, bucket)
	}
	if err != nil && !errors.Is(err, blob.ErrCorrupt) && !errors.Is(err, blob.ErrMissing) {
		return fmt.Errorf("%s blob %s: %w", doing, name, err)
	}
	return err
}

// Put writes the parts of an object, and what makes them one last.
func (b *blobs) Put(ctx context.Context, name string, data []byte) error {
	sealed, err := blob.Seal(name, data)
	if err != nil {
		return err
	}
	return b.within(ctx, "putting", name, func(ctx context.Context, bucket jetstream.ObjectStore) error {
		_, err := bucket.PutBytes(ctx, name, sealed)
		return err
	})
}

// Get reads an object and holds it to its hash. Where it is replaced meanwhile, its parts
// are gone, and the new one is read.
func (b *blobs) Get(ctx context.Context, name string) (data []byte, err error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	err = b.within(ctx, "reading", name, func(ctx context.Context, bucket jetstream.ObjectStore) error {
		for try := 0; ; try++ {
			before, err := bucket.GetInfo(ctx, name)
			if errors.Is(err, jetstream.ErrObjectNotFound) {
				return fmt.Errorf("%w: %s in the object store", blob.ErrMissing, name)
			}
			if err != nil {
				return err
			}
			data, err = b.whole(ctx, bucket, before)
			if err == nil {
				return nil
			}
			after, again := bucket.GetInfo(ctx, name)
			same := again == nil && after.NUID == before.NUID
			if same && (errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)) {
				err = b.torn(ctx, before, err)
			}
			if same || try == changing || ctx.Err() != nil {
				return err
			}
		}
	})
	return data, err
}

func (b *blobs) whole(ctx context.Context, bucket jetstream.ObjectStore, info *jetstream.ObjectInfo) ([]byte, error) {
	if int64(info.Size) > blob.LimitSealed {
		return nil, fmt.Errorf("%w: the object of blob %s has %d bytes (L12)", blob.ErrCorrupt, info.Name, info.Size)
	}
	// Parts that are gone are waited for: no longer than one answer takes.
	ctx, cancel := context.WithTimeout(ctx, max(b.log.cfg.AckWait, b.log.cfg.Timeout/4))
	defer cancel()
	sealed, err := bucket.GetBytes(ctx, info.Name)
	if errors.Is(err, jetstream.ErrDigestMismatch) {
		return nil, fmt.Errorf("%w: the object of blob %s: %w (L12)", blob.ErrCorrupt, info.Name, err)
	}
	if err != nil {
		return nil, err
	}
	return blob.Open(info.Name, sealed)
}

// torn looks whether an object that is not read in time lacks parts: those are sent before
// what makes them one, and a server that has no room can refuse them alone.
func (b *blobs) torn(ctx context.Context, info *jetstream.ObjectInfo, why error) error {
	js, err := jetstream.New(b.log.conn)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, "OBJ_"+info.Bucket)
	if err != nil {
		return err
	}
	subject := "$O." + info.Bucket + ".C." + info.NUID
	found, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return err
	}
	if n := found.State.Subjects[subject]; n < uint64(info.Chunks) {
		return fmt.Errorf("%w: the object of blob %s has %d parts of %d (L12)", blob.ErrCorrupt, info.Name, n, info.Chunks)
	}
	return why
}

// List reads what makes the objects.
func (b *blobs) List(ctx context.Context, prefix string) ([]string, error) {
	if err := blob.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	var names []string
	err := b.within(ctx, "listing", prefix, func(ctx context.Context, bucket jetstream.ObjectStore) error {
		all, err := bucket.List(ctx)
		if errors.Is(err, jetstream.ErrNoObjectsFound) {
			return nil
		}
		for _, info := range all {
			if strings.HasPrefix(info.Name, prefix) {
				names = append(names, info.Name)
			}
		}
		return err
	})
	slices.Sort(names)
	return names, err
}

// Delete removes an object.
func (b *blobs) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	return b.within(ctx, "deleting", name, func(ctx context.Context, bucket jetstream.ObjectStore) error {
		err := bucket.Delete(ctx, name)
		if errors.Is(err, jetstream.ErrObjectNotFound) {
			return nil
		}
		return err
	})
}
