package record

import "math"

// Member is what a node of a shared log says of itself, under the name in the
// header: where others reach it, and how far its own disk has come.
type Member struct {
	Address string `json:"address,omitempty"`
	Zone    string `json:"zone,omitempty"`
	// Version is the program's, for people.
	Version string `json:"version,omitempty"`
	// Newest is the highest version of records that the program knows, beside all
	// lower ones; 0 is that of a program from before there was a second one.
	Newest uint8 `json:"newest,omitempty"`
	// Flushed is the index up to which the node has its state on its disk; the
	// log below the lowest is no longer needed by any node.
	Flushed uint64 `json:"flushed,omitempty,string"`
	// Gone says that the node has left, and is counted no more.
	Gone bool `json:"gone,omitempty"`
	// Reaches is the generation that a move is to go to, if the node can open it.
	Reaches UUID `json:"-"`
}

// Knows reports whether the node's program knows a version.
func (m *Member) Knows(version uint8) bool { return version <= max(Oldest, m.Newest) }

// Vote is the digest that the writer of this record has of one range, just after
// the record Settled, where nodes do not agree.
type Vote struct {
	Settled uint64
	Range   uint8
	Digest  [16]byte
}

func appendMember(b []byte, m *Member) []byte {
	b = putBytes(b, memberAddress, m.Address)
	b = putBytes(b, memberZone, m.Zone)
	b = putBytes(b, memberVersion, m.Version)
	b = putUint(b, memberFlushed, m.Flushed)
	b = putFlag(b, memberGone, m.Gone)
	b = putUUID(b, memberReaches, &m.Reaches)
	return putUint(b, memberNewest, uint64(m.Newest))
}

func decodeMember(b []byte, m *Member) error {
	f := fields{b: b, what: "member", known: memberKnown, free: memberFree}
	for f.next() {
		switch f.key {
		case memberAddress:
			m.Address = f.string()
		case memberZone:
			m.Zone = f.string()
		case memberVersion:
			m.Version = f.string()
		case memberFlushed:
			m.Flushed = f.uint(math.MaxUint64)
		case memberGone:
			m.Gone = f.flag()
		case memberReaches:
			f.raw(m.Reaches[:])
		case memberNewest:
			m.Newest = uint8(f.uint(math.MaxUint8))
		default:
			f.unknown()
		}
	}
	return f.err
}

func appendVote(b []byte, v *Vote) []byte {
	b = putUint(b, voteSettled, v.Settled)
	b = putUint(b, voteRange, uint64(v.Range))
	if v.Digest != ([16]byte{}) {
		b = putBytes(b, voteDigest, v.Digest[:])
	}
	return b
}

func decodeVote(b []byte, v *Vote) error {
	f := fields{b: b, what: "vote", known: voteKnown}
	for f.next() {
		switch f.key {
		case voteSettled:
			v.Settled = f.uint(math.MaxUint64)
		case voteRange:
			v.Range = uint8(f.uint(math.MaxUint8))
		case voteDigest:
			f.raw(v.Digest[:])
		default:
			f.unknown()
		}
	}
	return f.err
}
