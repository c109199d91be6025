package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/journal"
)

// Decode reads a record. Byte slices in the result alias b, which must not be
// changed any more.
//
// The error wraps ErrNewer if a newer Mainstem wrote the record, otherwise
// journal.ErrCorrupt (L12). A transaction that the checksums cover and that
// still does not parse is no error: it is Undecodable, takes its position and
// has no effect, so that one poisoned transaction cannot stop a partition.
func Decode(b []byte) (*Record, error) {
	header, body, err := unwrap(b)
	if err != nil {
		return nil, err
	}
	r := &Record{Header: Header{Version: b[versionAt]}}
	if err := decodeHeader(header, &r.Header); err != nil {
		return nil, err
	}
	// A transaction takes at least its length, so this bounds what is allocated.
	if uint64(r.Count) > uint64(len(body)/sizeSize) {
		return nil, corrupt("record %d counts %d transactions in %d bytes", r.Index, r.Count, len(body))
	}
	if r.Count > 0 {
		r.Transactions = make([]Transaction, r.Count)
	}
	var room room
	for i := range r.Transactions {
		var tx []byte
		if tx, body, err = cutWide(body); err != nil {
			return nil, fmt.Errorf("%w: transaction %d of record %d", err, i+1, r.Index)
		}
		room.coming = len(r.Transactions) - i
		if decodeTransaction(tx, &r.Transactions[i], &room) != nil {
			r.Transactions[i] = Transaction{Undecodable: true}
		}
	}
	if len(body) != 0 {
		return nil, corrupt("record %d has %d bytes after its last transaction", r.Index, len(body))
	}
	return r, nil
}

// Peek reads the header of a record and checks everything that Decode does but
// the transactions. Errors are those of Decode.
func Peek(b []byte) (*Header, error) {
	header, _, err := unwrap(b)
	if err != nil {
		return nil, err
	}
	h := &Header{Version: b[versionAt]}
	if err := decodeHeader(header, h); err != nil {
		return nil, err
	}
	return h, nil
}

// unwrap checks what is around a record and returns its header and body.
func unwrap(b []byte) (header, body []byte, err error) {
	switch {
	case len(b) < minRecord:
		return nil, nil, corrupt("%d bytes are too few for a record", len(b))
	case len(b) > journal.MaxRecord:
		return nil, nil, corrupt("%d bytes are more than the %d of the largest record", len(b), journal.MaxRecord)
	case binary.LittleEndian.Uint32(b) != magic:
		return nil, nil, corrupt("does not begin as a record does")
	case binary.LittleEndian.Uint32(b[checkAt:]) != crc32.Checksum(b[:checkAt], castagnoli):
		return nil, nil, corrupt("checksum of the first %d bytes is wrong", checkAt)
	case b[versionAt] > Newest:
		return nil, nil, newer(b[versionAt])
	case b[versionAt] < Oldest:
		return nil, nil, corrupt("version %d does not exist", b[versionAt])
	case b[5] != 0 || b[6] != 0 || b[7] != 0:
		return nil, nil, fmt.Errorf("%w (flags %x)", ErrNewer, b[5:8])
	case uint64(binary.LittleEndian.Uint32(b[lengthAt:])) != uint64(len(b)):
		return nil, nil, corrupt("has %d bytes and says %d", len(b), binary.LittleEndian.Uint32(b[lengthAt:]))
	}
	end := len(b) - checkSize
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) && !breaklaw.On("L12") {
		return nil, nil, corrupt("checksum of %d bytes is wrong", len(b))
	}
	return cutHeader(b[headerAt:end])
}

func cutHeader(b []byte) (header, body []byte, err error) {
	if header, body, err = cutWide(b); err != nil {
		return nil, nil, fmt.Errorf("%w: header", err)
	}
	return header, body, nil
}

func cutWide(b []byte) (value, rest []byte, err error) {
	if len(b) < sizeSize {
		return nil, nil, corrupt("a length is cut off")
	}
	n := binary.LittleEndian.Uint32(b)
	b = b[sizeSize:]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, corrupt("a length of %d is more than the %d bytes there", n, len(b))
	}
	return b[:n:n], b[n:], nil
}

func decodeHeader(b []byte, h *Header) error {
	f := fields{b: b, what: "header", known: headKnown, free: headFree}
	for f.next() {
		switch f.key {
		case headIndex:
			h.Index = f.uint(math.MaxUint64)
		case headPrevHash:
			f.raw(h.PrevHash[:])
		case headDatabase:
			f.raw(h.Database[:])
		case headGeneration:
			f.raw(h.Generation[:])
		case headIncarnation:
			h.Incarnation = mainstem.Incarnation(f.fixed())
		case headPartition:
			h.Partition = uint32(f.uint(math.MaxUint32))
		case headNode:
			h.Node = f.string()
		case headFirst:
			h.First = mainstem.Position(f.uint(math.MaxUint64))
		case headCount:
			h.Count = uint32(f.uint(math.MaxUint32))
		default:
			decodeHeaderRest(&f, h)
		}
	}
	if what := h.broken(); f.err == nil && what != "" {
		f.fail("%s", what)
	}
	return f.err
}

// decodeHeaderRest knows the fields of time and of rare content.
func decodeHeaderRest(f *fields, h *Header) {
	switch f.key {
	case headAge:
		h.Age = mainstem.LogAge(f.int())
	case headWall:
		h.Wall = f.int()
	case headBoot:
		f.raw(h.Boot[:])
	case headBootTime:
		h.BootTime = f.int()
	case headLeap:
		h.Leap = f.int()
	case headGenesis:
		h.Genesis = new(Genesis)
		f.inner(decodeGenesis(f.value(), h.Genesis))
	case headSettings:
		h.Settings = new(Settings)
		f.inner(decodeSettings(f.value(), h.Settings))
	case headCheckpoint:
		h.Checkpoint = new(Checkpoint)
		f.inner(decodeCheckpoint(f.value(), h.Checkpoint))
	case headRefusals:
		h.Refusals = decodeList(f, decodeRefusal)
	case headRestored:
		h.Restored = f.flag()
	case headMember:
		h.Member = new(Member)
		f.inner(decodeMember(f.value(), h.Member))
	case headVote:
		h.Vote = new(Vote)
		f.inner(decodeVote(f.value(), h.Vote))
	case headKey, headVector:
		f.newer()
	case headPrepare:
		h.Prepare = new(Target)
		f.inner(decodeTarget(f.value(), h.Prepare))
	case headMoved:
		h.Moved = new(Target)
		f.inner(decodeTarget(f.value(), h.Moved))
	case headSuccessor:
		h.Successor = f.string()
	default:
		f.unknown()
	}
}

func decodeGenesis(b []byte, g *Genesis) error {
	f := fields{b: b, what: "genesis", known: genesisKnown}
	for f.next() {
		switch f.key {
		case genesisPartitions:
			g.Partitions = uint32(f.uint(math.MaxUint32))
		case genesisSlotEnds:
			ends := f.bytes()
			if len(ends)%2 != 0 {
				f.fail("slot ends of %d bytes", len(ends))
			}
			g.SlotEnds = make([]uint16, len(ends)/2)
			for i := range g.SlotEnds {
				g.SlotEnds[i] = binary.LittleEndian.Uint16(ends[2*i:])
			}
		case genesisCreated:
			g.Created = f.int()
		case genesisAfter:
			g.After = mainstem.Position(f.uint(math.MaxUint64))
		default:
			f.unknown()
		}
	}
	return f.err
}

func decodeSettings(b []byte, s *Settings) error {
	f := fields{b: b, what: "settings", known: settingsKnown}
	for f.next() {
		switch f.key {
		case settingsIDAge:
			s.IDAge = f.int()
		case settingsHistory:
			s.History = decodeList(&f, decodeKeep)
		case settingsRetain:
			s.Retain = f.int()
		default:
			f.unknown()
		}
	}
	return f.err
}

func decodeKeep(b []byte, k *Keep) error {
	f := fields{b: b, what: "history setting", known: keepKnown}
	for f.next() {
		switch f.key {
		case keepGroup:
			k.Group = f.string()
		case keepPrefix:
			k.Prefix = f.string()
		case keepAge:
			k.Age = f.int()
		default:
			f.unknown()
		}
	}
	return f.err
}

func decodeCheckpoint(b []byte, c *Checkpoint) error {
	f := fields{b: b, what: "checkpoint", known: checkpointKnown}
	for f.next() {
		switch f.key {
		case checkpointSettled:
			c.Settled = f.uint(math.MaxUint64)
		case checkpointRange:
			c.Range = uint8(f.uint(math.MaxUint8))
		case checkpointDigest:
			f.raw(c.Digest[:])
		case checkpointNext:
			c.Next = uint8(f.uint(math.MaxUint8))
		case checkpointHorizons:
			list := f.bytes()
			if len(list)%8 != 0 {
				f.fail("horizons of %d bytes", len(list))
			}
			c.Horizons = make([]mainstem.Position, len(list)/8)
			for i := range c.Horizons {
				c.Horizons[i] = mainstem.Position(binary.LittleEndian.Uint64(list[8*i:]))
			}
		default:
			f.unknown()
		}
	}
	return f.err
}

func decodeRefusal(b []byte, r *Refusal) error {
	f := fields{b: b, what: "refusal", known: nameKnown}
	for f.next() {
		if !decodeName(&f, &r.Group, &r.ID, &r.Attempt) {
			f.unknown()
		}
	}
	return f.err
}
