package blob

import (
	"crypto/sha256"
	"fmt"
)

// A sealed blob is the magic, the SHA-256 of its name and its data, the data.
const (
	magic = "MAINBLB1"
	head  = len(magic) + sha256.Size
)

// LimitSealed is the most bytes of a sealed blob.
const LimitSealed int64 = LimitBlob + int64(head)

// Seal is what a Store keeps of a blob: its data with a hash over it and its name, so
// that neither a flipped bit nor a blob under another's name passes for it (L12).
func Seal(name string, data []byte) ([]byte, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if len(data) > LimitBlob {
		return nil, fmt.Errorf("%w: blob %s has %d bytes; the limit is %d", ErrInvalid, name, len(data), LimitBlob)
	}
	sum := seal(name, data)
	b := make([]byte, 0, head+len(data))
	b = append(append(b, magic...), sum[:]...)
	return append(b, data...), nil
}

// Open is the data of a sealed blob, or ErrCorrupt. The data is a part of sealed.
func Open(name string, sealed []byte) ([]byte, error) {
	switch {
	case len(sealed) < head || string(sealed[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: blob %s does not begin as one (L12)", ErrCorrupt, name)
	case int64(len(sealed)) > LimitSealed:
		return nil, fmt.Errorf("%w: blob %s has %d bytes; the limit is %d", ErrCorrupt, name, len(sealed), LimitSealed)
	}
	data := sealed[head:]
	if sum := seal(name, data); string(sum[:]) != string(sealed[len(magic):head]) {
		return nil, fmt.Errorf("%w: blob %s does not have the hash that it was put with (L12)", ErrCorrupt, name)
	}
	return data, nil
}

func seal(name string, data []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(append([]byte(name), 0))
	h.Write(data)
	h.Sum(sum[:0])
	return sum
}
