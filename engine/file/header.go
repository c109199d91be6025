package file

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/mainstemdb/mainstem/journal"
)

// Layout of a segment file. Its size is fixed when it is made, and every byte
// is written before the first entry, so that an append changes no metadata.
//
//	0            header, one page
//	dataStart    entries, back to back, each aligned to frameAlign
//	size-trailer note slot A, note slot B, footer slot: one sector each
//
// The trailer is a page of its own, far from the tail of a segment in use, so
// that one damaged page cannot take an entry and what says that it is durable.
const (
	dataStart    = 4096
	trailer      = 4096
	sector       = 512
	headerSize   = 128
	segmentMagic = "MAINSEG\n"
)

// formatVersion is the newest format of segments and manifests that this build
// reads, and the one it writes.
const formatVersion = 1

// header is the first thing in a segment. It is durable, under the segment's
// final name, before the first entry is written.
type header struct {
	log   [16]byte // the log's identity: random, the same in all its segments
	nonce uint64   // random: tells apart two lives of one segment id
	id    uint64   // 1, 2, 3 … without a gap
	base  uint64   // index of the first entry that belongs here
	prev  journal.Hash
	// durable is the highest index known durable when the segment was made.
	// It is base-1 for a fresh segment, and the tail for one that recovery
	// rewrote.
	durable uint64
	size    int64 // of the file, in bytes
}

func randomBytes(b []byte) {
	rand.Read(b)
}

func newNonce() uint64 {
	var b [8]byte
	randomBytes(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// mix is the part of a frame's check value that is the same for a segment.
func (h header) mix() uint32 {
	var b [40]byte
	copy(b[:16], h.log[:])
	binary.LittleEndian.PutUint64(b[16:], h.nonce)
	binary.LittleEndian.PutUint64(b[24:], h.id)
	binary.LittleEndian.PutUint64(b[32:], h.base)
	return crc32.Checksum(b[:], castagnoli)
}

func (h header) dataEnd() int64         { return h.size - trailer }
func (h header) noteSlot(i int64) int64 { return h.dataEnd() + i%2*sector }
func (h header) footerSlot() int64      { return h.dataEnd() + 2*sector }

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	le := binary.LittleEndian
	copy(b, segmentMagic)
	le.PutUint32(b[8:], formatVersion)
	copy(b[16:32], h.log[:])
	le.PutUint64(b[32:], h.nonce)
	le.PutUint64(b[40:], h.id)
	le.PutUint64(b[48:], h.base)
	le.PutUint64(b[56:], h.durable)
	le.PutUint64(b[64:], uint64(h.size))
	copy(b[72:104], h.prev[:])
	le.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli)^crc32.Checksum(b[:12], castagnoli))
	return b
}

func decodeHeader(b []byte) (header, error) {
	le := binary.LittleEndian
	if len(b) < headerSize || string(b[:8]) != segmentMagic {
		return header{}, fmt.Errorf("the header does not start with %q", segmentMagic)
	}
	if le.Uint32(b[12:]) != crc32.Checksum(b[16:headerSize], castagnoli)^crc32.Checksum(b[:12], castagnoli) {
		return header{}, fmt.Errorf("the header's checksum does not match")
	}
	if v := le.Uint32(b[8:]); v > formatVersion {
		return header{}, fmt.Errorf("%w: segment format %d, this build reads up to %d: open it with the newer build that wrote it", ErrVersion, v, formatVersion)
	}
	h := header{nonce: le.Uint64(b[32:]), id: le.Uint64(b[40:]), base: le.Uint64(b[48:]), durable: le.Uint64(b[56:])}
	h.size = int64(le.Uint64(b[64:]))
	copy(h.log[:], b[16:32])
	copy(h.prev[:], b[72:104])
	if h.id == 0 || h.base == 0 || h.durable+1 < h.base || h.size < minSegment || h.size > maxSegment+maxFrame {
		return header{}, fmt.Errorf("the header's fields contradict each other")
	}
	return h, nil
}
