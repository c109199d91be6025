package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

var bboltPeer = Peer{
	Name:  "bbolt",
	Kinds: []Kind{CAS, Add, Append, Get},
	Variants: func(_ int, writes bool) []string {
		if !writes {
			return []string{"1ms"} // no batch, no delay
		}
		return []string{"500µs", "1ms", "2ms", "5ms", "10ms"}
	},
	Open: openBbolt,
}

// bolt is bbolt with DB.Batch, which gathers concurrent transactions.
type bolt struct{ db *bbolt.DB }

var (
	boltKeys    = []byte("keys")
	boltEvents  = []byte("events")
	boltCounter = []byte("counter")
)

func openBbolt(_ context.Context, c Config) (System, error) {
	delay, err := time.ParseDuration(c.Variant)
	if err != nil {
		return nil, fmt.Errorf("MaxBatchDelay: %w", err)
	}
	db, err := bbolt.Open(filepath.Join(c.Dir, "bolt.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	db.MaxBatchDelay = delay
	// A batch never has to wait for its timer once every client is in it.
	db.MaxBatchSize = max(1, c.Clients)
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{boltKeys, boltEvents, boltCounter} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(boltCounter).Put(boltCounter, binary.BigEndian.AppendUint64(nil, counterStart))
	})
	return &bolt{db: db}, err
}

var errVersion = errors.New("the key is at another version")

// Do runs one operation. A key's version is a count in front of its value.
func (s *bolt) Do(_ context.Context, op *Op) (uint64, error) {
	next := op.Version + 1
	switch op.Kind {
	case CAS:
		key := []byte(keyName(op.Key))
		return next, s.db.Batch(func(tx *bbolt.Tx) error {
			b := tx.Bucket(boltKeys)
			if boltVersion(b.Get(key)) != op.Version {
				return errVersion
			}
			return b.Put(key, append(binary.BigEndian.AppendUint64(nil, next), op.Value...))
		})
	case Add:
		return 0, s.db.Batch(func(tx *bbolt.Tx) error {
			b := tx.Bucket(boltCounter)
			n := boltVersion(b.Get(boltCounter))
			if n == 0 {
				return errors.New("the counter is at its floor")
			}
			return b.Put(boltCounter, binary.BigEndian.AppendUint64(nil, n-1))
		})
	case Append:
		stream := binary.BigEndian.AppendUint32(nil, uint32(op.Client))
		return next, s.db.Batch(func(tx *bbolt.Tx) error {
			b := tx.Bucket(boltEvents)
			if boltLength(b, stream) != op.Version {
				return errVersion
			}
			return b.Put(binary.BigEndian.AppendUint64(bytes.Clone(stream), next), op.Value)
		})
	case Get:
		var version uint64
		err := s.db.View(func(tx *bbolt.Tx) error {
			// A copy, as a caller would need one.
			version = boltVersion(bytes.Clone(tx.Bucket(boltKeys).Get([]byte(keyName(op.Key)))))
			return nil
		})
		return version, err
	default:
		return 0, unsupported(op.Kind)
	}
}

func boltVersion(stored []byte) uint64 {
	if len(stored) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(stored)
}

// boltLength is the number of a stream's last event.
func boltLength(b *bbolt.Bucket, stream []byte) uint64 {
	c := b.Cursor()
	k, _ := c.Seek(binary.BigEndian.AppendUint64(bytes.Clone(stream), 1<<64-1))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, stream) {
		return 0
	}
	return binary.BigEndian.Uint64(k[len(stream):])
}

// Load writes many keys per transaction.
func (s *bolt) Load(_ context.Context, from, to, size int) error {
	const perTransaction = 10_000
	for ; from < to; from += perTransaction {
		err := s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket(boltKeys)
			for key := from; key < min(to, from+perTransaction); key++ {
				if err := b.Put([]byte(keyName(key)), append(binary.BigEndian.AppendUint64(nil, 1), valueOf(key, size)...)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Settings are those of the open file.
func (s *bolt) Settings() map[string]string {
	return map[string]string{
		"MaxBatchDelay": s.db.MaxBatchDelay.String(), "MaxBatchSize": fmt.Sprint(s.db.MaxBatchSize),
		"NoSync": fmt.Sprint(s.db.NoSync), "NoFreelistSync": fmt.Sprint(s.db.NoFreelistSync), "FreelistType": string(s.db.FreelistType),
	}
}

func (s *bolt) Close() error { return s.db.Close() }
