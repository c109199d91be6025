package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/journal"
)

// Kind tells what a frame is. Only entries are records of the log.
type Kind uint8

// The kinds of frame. An entry stands in a segment's data; the others have
// fixed places in its trailer.
const (
	KindEntry  Kind = 1 // one record
	KindNote   Kind = 2 // says what was durable when the log fell idle
	KindMark   Kind = 3 // clean shutdown: this is the end of the log
	KindFooter Kind = 4 // the segment is sealed
)

// String names the kind as the inspector prints it.
func (k Kind) String() string {
	switch k {
	case KindEntry:
		return "entry"
	case KindNote:
		return "note"
	case KindMark:
		return "mark"
	case KindFooter:
		return "footer"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Layout of a frame, in bytes, little endian. The payload follows, padded with
// zeros to a multiple of frameAlign.
//
//	 0  magic        4
//	 4  version      1
//	 5  kind         1
//	 6  zero         2
//	 8  length       4   of the payload, without padding
//	12  zero         4
//	16  index        8   of the entry; of the tail for the other kinds
//	24  durable      8   highest index known durable when this was written
//	32  hash        32   of the predecessor; of the tail for the other kinds
//	64  head check   4   CRC-32C of bytes 0 to 64
//	68  body check   4   CRC-32C of the above and the padded payload
//
// Both checks start from a value made of the log's identity, the segment's id,
// nonce and base index, and the frame's offset: bytes that belong elsewhere,
// or to an earlier life of the same block, never look valid.
const (
	frameMagic   = 0x4d46534d
	frameVersion = 1
	frameHeader  = 72
	frameAlign   = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one decoded frame. Invariants: an entry's durable is below its
// index (it is not durable while it is being written); the other kinds'
// durable equals their index.
type frame struct {
	kind    Kind
	index   uint64
	durable uint64
	hash    journal.Hash
	payload []byte // aliases what it was decoded from
}

// valid checks what can be checked without the frame's neighbours.
func (f frame) valid() bool {
	switch f.kind {
	case KindEntry:
		return f.index > 0 && f.durable < f.index
	case KindNote, KindMark, KindFooter:
		return f.durable == f.index
	}
	return false
}

// Why a frame could not be decoded.
var (
	errZero  = errors.New("zero bytes: end of data")
	errFrame = errors.New("not a valid frame")
	// ErrVersion marks a directory written by a newer format than this build
	// reads. Nothing is damaged: a newer build of Mainstem opens it.
	ErrVersion = errors.New("file: newer format")
)

// frameSize is the room that a payload takes, header and padding included.
func frameSize(payload int) int {
	return frameHeader + (payload+frameAlign-1)/frameAlign*frameAlign
}

// frameSeed is what both checks of a frame at this offset start from. The
// factor is odd, so two offsets in one segment never share a seed; and one
// message gives different CRCs from different seeds.
func frameSeed(mix uint32, offset int64) uint32 {
	return mix + uint32(offset/frameAlign)*0x9e3779b1
}

// encodeFrame writes f into b, which is exactly frameSize(len(f.payload)) long.
func encodeFrame(b []byte, f frame, mix uint32, offset int64) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], frameMagic)
	b[4], b[5], b[6], b[7] = frameVersion, byte(f.kind), 0, 0
	le.PutUint32(b[8:], uint32(len(f.payload)))
	le.PutUint32(b[12:], 0)
	le.PutUint64(b[16:], f.index)
	le.PutUint64(b[24:], f.durable)
	copy(b[32:64], f.hash[:])
	head := crc32.Update(frameSeed(mix, offset), castagnoli, b[:64])
	le.PutUint32(b[64:], head)
	n := copy(b[frameHeader:], f.payload)
	clear(b[frameHeader+n:])
	le.PutUint32(b[68:], crc32.Update(head, castagnoli, b[frameHeader:]))
}

// decodeHead reads the fixed part of a frame and returns the frame without
// its payload, and the payload's length. b holds at least frameHeader bytes.
func decodeHead(b []byte, mix uint32, offset int64) (frame, int, error) {
	le := binary.LittleEndian
	if allZero(b[:frameHeader]) {
		return frame{}, 0, errZero
	}
	if le.Uint32(b) != frameMagic {
		return frame{}, 0, errFrame
	}
	if crc32.Update(frameSeed(mix, offset), castagnoli, b[:64]) != le.Uint32(b[64:]) {
		return frame{}, 0, errFrame
	}
	if b[4] > frameVersion {
		return frame{}, 0, fmt.Errorf("%w: frame version %d at offset %d, this build reads up to %d", ErrVersion, b[4], offset, frameVersion)
	}
	f := frame{kind: Kind(b[5]), index: le.Uint64(b[16:]), durable: le.Uint64(b[24:])}
	copy(f.hash[:], b[32:64])
	length := le.Uint32(b[8:])
	// The cap comes before anything is allocated or sliced by the length.
	if length > journal.MaxRecord || !f.valid() {
		return frame{}, 0, errFrame
	}
	return f, int(length), nil
}

// decodeFrame reads the frame at the start of b and returns it with its size.
// The payload aliases b. Any bytes at all are a legal argument.
func decodeFrame(b []byte, mix uint32, offset int64) (frame, int, error) {
	if len(b) < frameHeader {
		if allZero(b) {
			return frame{}, 0, errZero
		}
		return frame{}, 0, errFrame
	}
	f, length, err := decodeHead(b, mix, offset)
	if err != nil {
		return frame{}, 0, err
	}
	size := frameSize(length)
	if size > len(b) {
		return frame{}, 0, errFrame
	}
	le := binary.LittleEndian
	if crc32.Update(le.Uint32(b[64:]), castagnoli, b[frameHeader:size]) != le.Uint32(b[68:]) && !breaklaw.On("L12") {
		return frame{}, 0, errFrame
	}
	f.payload = b[frameHeader : frameHeader+length : frameHeader+length]
	return f, size, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
