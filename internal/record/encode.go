package record

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// Layout of a record, in bytes, little endian.
//
//	 0  magic       4
//	 4  version     1
//	 5  flags       1   bit 0 is reserved for a compressed body
//	 6  zero        2
//	 8  length      4   of the whole record
//	12  check       4   CRC-32C of bytes 0 to 12
//	16  header      4 for its length, then its fields
//	    body        per transaction 4 for its length, then its fields
//	    check       4   CRC-32C of all bytes before
const (
	magic     = 0x4352534d // "MSRC"
	versionAt = 4
	lengthAt  = 8
	checkAt   = 12
	headerAt  = 16
	checkSize = 4
	sizeSize  = 4
	// minRecord is the length of a record without fields and transactions.
	minRecord = headerAt + sizeSize + checkSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode appends the record to dst and returns the extended slice. It
// allocates only where dst must grow. A record has exactly one encoding.
//
// The error is a mainstem.Error: TooLarge above journal.MaxRecord bytes,
// Invalid where the record breaks an invariant of its type or holds a
// transaction that could not be decoded. Then dst comes back as it was.
func Encode(dst []byte, r *Record) ([]byte, error) {
	if err := r.valid(); err != nil {
		return dst, err
	}
	start := len(dst)
	b := binary.LittleEndian.AppendUint32(dst, magic)
	b = append(b, r.Version, 0, 0, 0)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // length and its check, filled in below
	b, at := openWide(b)
	b = appendHeader(b, &r.Header)
	shutWide(b, at)
	for i := range r.Transactions {
		b, at = openWide(b)
		b = appendTransaction(b, &r.Transactions[i])
		shutWide(b, at)
	}
	record := b[start:]
	if size := len(record) + checkSize; size > journal.MaxRecord {
		return b[:start], mainstem.Errorf(mainstem.TooLarge,
			"record %d would have %d bytes; the limit is %d: put fewer transactions into it", r.Index, size, journal.MaxRecord)
	}
	binary.LittleEndian.PutUint32(record[lengthAt:], uint32(len(record)+checkSize))
	binary.LittleEndian.PutUint32(record[checkAt:], crc32.Checksum(record[:checkAt], castagnoli))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(record, castagnoli)), nil
}

// openWide and shutWide put a length of fixed width before what can be long,
// so that it never moves.
func openWide(b []byte) ([]byte, int) { return append(b, 0, 0, 0, 0), len(b) }

func shutWide(b []byte, at int) {
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-sizeSize))
}

func appendHeader(b []byte, h *Header) []byte {
	b = putUint(b, headIndex, h.Index)
	if h.PrevHash != (journal.Hash{}) {
		b = putBytes(b, headPrevHash, h.PrevHash[:])
	}
	b = putUUID(b, headDatabase, &h.Database)
	b = putUUID(b, headGeneration, &h.Generation)
	b = putFixed(b, headIncarnation, uint64(h.Incarnation))
	b = putUint(b, headPartition, uint64(h.Partition))
	b = putBytes(b, headNode, h.Node)
	b = putUint(b, headFirst, uint64(h.First))
	b = putUint(b, headCount, uint64(h.Count))
	b = putInt(b, headAge, int64(h.Age))
	b = putInt(b, headWall, h.Wall)
	b = putUUID(b, headBoot, &h.Boot)
	b = putInt(b, headBootTime, h.BootTime)
	b = putInt(b, headLeap, h.Leap)
	var at int
	if h.Genesis != nil {
		b, at = open(append(b, headGenesis))
		b = shut(appendGenesis(b, h.Genesis), at)
	}
	if h.Settings != nil {
		b, at = open(append(b, headSettings))
		b = shut(appendSettings(b, h.Settings), at)
	}
	if h.Checkpoint != nil {
		b, at = open(append(b, headCheckpoint))
		b = shut(appendCheckpoint(b, h.Checkpoint), at)
	}
	b = putList(b, headRefusals, h.Refusals, appendRefusal)
	b = putFlag(b, headRestored, h.Restored)
	if h.Member != nil {
		b, at = open(append(b, headMember))
		b = shut(appendMember(b, h.Member), at)
	}
	if h.Vote != nil {
		b, at = open(append(b, headVote))
		b = shut(appendVote(b, h.Vote), at)
	}
	if h.Prepare != nil {
		b, at = open(append(b, headPrepare))
		b = shut(appendTarget(b, h.Prepare), at)
	}
	if h.Moved != nil {
		b, at = open(append(b, headMoved))
		b = shut(appendTarget(b, h.Moved), at)
	}
	return putBytes(b, headSuccessor, h.Successor)
}

func putUUID(b []byte, key byte, u *UUID) []byte {
	if *u == (UUID{}) {
		return b
	}
	return append(append(b, key, byte(len(u))), u[:]...)
}

// putList writes elements one after the other, each with its length before it.
func putList[T any](b []byte, key byte, list []T, element func([]byte, *T) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	b, outer := open(append(b, key))
	for i := range list {
		var at int
		b, at = open(b)
		b = shut(element(b, &list[i]), at)
	}
	return shut(b, outer)
}

func appendGenesis(b []byte, g *Genesis) []byte {
	b = putUint(b, genesisPartitions, uint64(g.Partitions))
	if len(g.SlotEnds) > 0 {
		b = binary.AppendUvarint(append(b, genesisSlotEnds), uint64(2*len(g.SlotEnds)))
		for _, end := range g.SlotEnds {
			b = binary.LittleEndian.AppendUint16(b, end)
		}
	}
	b = putInt(b, genesisCreated, g.Created)
	return putUint(b, genesisAfter, uint64(g.After))
}

func appendSettings(b []byte, s *Settings) []byte {
	b = putInt(b, settingsIDAge, s.IDAge)
	b = putList(b, settingsHistory, s.History, appendKeep)
	return putInt(b, settingsRetain, s.Retain)
}

func appendKeep(b []byte, k *Keep) []byte {
	b = putBytes(b, keepGroup, k.Group)
	b = putBytes(b, keepPrefix, k.Prefix)
	return putInt(b, keepAge, k.Age)
}

func appendCheckpoint(b []byte, c *Checkpoint) []byte {
	b = putUint(b, checkpointSettled, c.Settled)
	b = putUint(b, checkpointRange, uint64(c.Range))
	if c.Digest != ([16]byte{}) {
		b = putBytes(b, checkpointDigest, c.Digest[:])
	}
	b = putUint(b, checkpointNext, uint64(c.Next))
	if len(c.Horizons) > 0 {
		b = binary.AppendUvarint(append(b, checkpointHorizons), uint64(8*len(c.Horizons)))
		for _, p := range c.Horizons {
			b = binary.LittleEndian.AppendUint64(b, uint64(p))
		}
	}
	return b
}

func appendRefusal(b []byte, r *Refusal) []byte {
	return appendName(b, r.Group, &r.ID, r.Attempt)
}
