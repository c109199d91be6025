package jetstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/mainstemdb/mainstem/journal"
)

// envelope is how many bytes stand before the record in a message.
const envelope = 64

// magic begins a message; its last byte is the version of what follows.
const magic = "MSJ1"

// ErrVersion marks a message that a newer Mainstem has written. Nothing is damaged.
var ErrVersion = errors.New("jetstream: a message of a newer version: upgrade this program to read it")

// kind is what a message is.
type kind byte

const (
	kindRecord kind = 1 // a record, which names its predecessor
	kindProof  kind = 2 // of a Confirm: it names the head that was the tail
)

// message is one message of the stream.
//
// Invariants: names is valid as a journal.Head; a proof has no record.
type message struct {
	kind   kind
	names  journal.Head
	record []byte
}

// Layout of the envelope, little endian:
//
//	 0  magic, kind, three zeros
//	 8  index, then slot, of the head that is named
//	24  its hash
//	56  length of the record
//	60  CRC-32C over the stream's name, the 60 bytes before, and the record
//
// The name is in the sum so that a message of another log never looks valid.
const (
	atIndex, atSlot, atHash, atLength, atSum = 8, 16, 24, 56, 60
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(stream string, b []byte) uint32 {
	s := crc32.Update(0, castagnoli, []byte(stream))
	s = crc32.Update(s, castagnoli, b[:atSum])
	return crc32.Update(s, castagnoli, b[envelope:])
}

func putSum(stream string, b []byte) { binary.LittleEndian.PutUint32(b[atSum:], sum(stream, b)) }

// encode returns the bytes of a message of a stream.
func (m message) encode(stream string) []byte {
	b := make([]byte, envelope+len(m.record))
	copy(b, magic)
	b[len(magic)] = byte(m.kind)
	binary.LittleEndian.PutUint64(b[atIndex:], m.names.Index)
	binary.LittleEndian.PutUint64(b[atSlot:], m.names.Slot)
	copy(b[atHash:], m.names.Hash[:])
	binary.LittleEndian.PutUint32(b[atLength:], uint32(len(m.record)))
	copy(b[envelope:], m.record)
	putSum(stream, b)
	return b
}

// decode reads a message of a stream. The record shares b's memory. Exactly
// what encode writes is accepted.
func decode(stream string, b []byte) (message, error) {
	if len(b) < envelope {
		return message{}, fmt.Errorf("it has %d bytes, a message has at least %d", len(b), envelope)
	}
	if string(b[:len(magic)-1]) == magic[:len(magic)-1] && b[len(magic)-1] > magic[len(magic)-1] {
		return message{}, ErrVersion
	}
	m := message{
		kind: kind(b[len(magic)]),
		names: journal.Head{
			Index: binary.LittleEndian.Uint64(b[atIndex:]),
			Slot:  binary.LittleEndian.Uint64(b[atSlot:]),
			Hash:  journal.Hash(b[atHash : atHash+len(journal.Hash{})]),
		},
		record: b[envelope:],
	}
	zero := m.names.Index == 0
	switch {
	case string(b[:len(magic)]) != magic:
		return message{}, errors.New("it does not begin as a message of Mainstem does")
	case binary.LittleEndian.Uint32(b[atSum:]) != sum(stream, b):
		return message{}, errors.New("its checksum is wrong, or it belongs to another stream")
	case uint64(binary.LittleEndian.Uint32(b[atLength:])) != uint64(len(m.record)), len(m.record) > journal.MaxRecord:
		return message{}, fmt.Errorf("it holds %d bytes of record, which is not what it says", len(m.record))
	case b[5] != 0 || b[6] != 0 || b[7] != 0,
		m.kind != kindRecord && m.kind != kindProof,
		m.kind == kindProof && len(m.record) > 0,
		zero != (m.names.Slot == 0), zero != (m.names.Hash == journal.Hash{}):
		return message{}, errors.New("its envelope holds what no writer writes")
	}
	return m, nil
}

// follows is true of a record that names head as its predecessor.
func (m message) follows(head journal.Head) bool {
	return m.kind == kindRecord && m.names.Index == head.Index && m.names.Hash == head.Hash
}
