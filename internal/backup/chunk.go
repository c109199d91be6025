package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/state"
)

// limitChunk is the most bytes of a chunk's rows; a single row may have as many.
const limitChunk = 4 << 20

// Chunk is rows that follow each other, back to back: size and bytes of the key, size
// and bytes of the value.
type Chunk struct {
	// Hash is the SHA-256 of the rows before they are compressed, in hexadecimal.
	Hash  string `json:"hash"`
	Rows  int    `json:"rows"`
	Bytes int    `json:"bytes"`
}

func (c Chunk) name(at string, number int) string {
	return fmt.Sprintf("%s/chunk-%06d-%.16s", at, number, c.Hash)
}

// coder compresses one chunk after the other. One goroutine makes it deterministic.
var coder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
})

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(blob.LimitBlob))
})

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func appendRow(b []byte, row state.Row) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(row.Key))), row.Key...)
	return append(binary.AppendUvarint(b, uint64(len(row.Value))), row.Value...)
}

func rowSize(row state.Row) int { return len(row.Key) + len(row.Value) + 2*binary.MaxVarintLen32 }

// rows yields the rows of a chunk. Each is good until the next.
func rows(b []byte, after []byte, yield func(state.Row) error) (n int, last []byte, err error) {
	field := func() ([]byte, error) {
		size, width := binary.Uvarint(b)
		if width <= 0 || size > uint64(len(b)-width) {
			return nil, fmt.Errorf("%w: row %d of a chunk is cut off (L12)", blob.ErrCorrupt, n+1)
		}
		f := b[width : width+int(size)]
		b = b[width+int(size):]
		return f, nil
	}
	for last = after; len(b) > 0; n++ {
		key, err := field()
		if err != nil {
			return n, last, err
		}
		value, err := field()
		if err != nil {
			return n, last, err
		}
		if bytes.Compare(last, key) >= 0 {
			return n, last, fmt.Errorf("%w: row %d of a chunk is out of order (L12)", blob.ErrCorrupt, n+1)
		}
		if err := yield(state.Row{Key: key, Value: value}); err != nil {
			return n, last, err
		}
		last = key
	}
	return n, last, nil
}

// load reads one chunk and holds it to its hash.
func (c Chunk) load(ctx context.Context, store blob.Store, name string) ([]byte, error) {
	packed, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", blob.ErrCorrupt, name, err)
	}
	if got := sum(b); got != c.Hash || len(b) != c.Bytes {
		return nil, fmt.Errorf("%w: %s has rows with hash %.16s, the manifest says %.16s (L12)", blob.ErrCorrupt, name, got, c.Hash)
	}
	return b, nil
}

func pack(b []byte) ([]byte, error) {
	z, err := coder()
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(b, nil), nil
}

func unpack(packed []byte) ([]byte, error) {
	z, err := decoder()
	if err != nil {
		return nil, err
	}
	return z.DecodeAll(packed, nil)
}
