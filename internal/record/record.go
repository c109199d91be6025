// Package record is the bytes of one record: what an engine stores in one slot.
//
// A record is a batch of decided transactions (L3) and names its predecessor
// (L2). Its header is a map of fields, each marked when a reader that does not
// know it must stop, so that versions can run side by side; so is each
// transaction. The hash of a record is over its stored bytes (journal.Sum).
package record

import (
	"encoding/hex"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// UUID is sixteen random bytes that name a database, a boot, a generation.
type UUID [16]byte

// String is all of it in hex.
func (u UUID) String() string { return hex.EncodeToString(u[:]) }

// Record is one record, decoded.
//
// Invariants: Index is Prev.Index + 1. Transaction i has position First + i;
// without transactions First is the position that the next one will take.
// Age and Wall never run backwards along a chain; a record's end with its last
// transaction's.
type Record struct {
	Header
	Transactions []Transaction
}

// Header is everything of a record but its transactions. A reader can have it
// without decoding them.
type Header struct {
	// Version is that of the record, from Oldest to Newest.
	Version uint8

	// Index is the record's place in the chain; PrevHash the hash of the
	// record before it, zero for the first.
	Index    uint64
	PrevHash journal.Hash

	Database    UUID
	Generation  UUID
	Incarnation mainstem.Incarnation
	Partition   uint32
	Node        string

	// First is the position of the first transaction, Count how many follow.
	First mainstem.Position
	Count uint32

	// Age is the log age, Wall the wall time in Unix nanoseconds, Boot and
	// BootTime the writer's boot and its boot clock in nanoseconds (L6), all
	// when the record was begun.
	Age      mainstem.LogAge
	Wall     int64
	Boot     UUID
	BootTime int64
	// Leap is log age that was taken from the wall clock, because this record
	// is the first after a start on another boot or machine (L6).
	Leap int64

	// Genesis stands in the first record of a partition only.
	Genesis *Genesis
	// Settings are the rules in force from this record on.
	Settings *Settings
	// Checkpoint is set on records that settle a digest.
	Checkpoint *Checkpoint
	// Refusals are attempts that were definitely refused (L11).
	Refusals []Refusal
	// Restored says that an incarnation begins here, after a restore: First is
	// then at least 2^40 beyond the predecessor's last position (L1).
	Restored bool
	// Member is what the node that writes this says of itself; Vote is the
	// digest that it has where nodes do not agree.
	Member *Member
	Vote   *Vote
	// Prepare names the log that a move is to go to, so that every node can say
	// whether it reaches it. Nothing has moved by it.
	Prepare *Target
	// Moved says that what follows this record is in another log, which has a copy
	// of all records from its Base on, this one included.
	Moved *Target
	// Successor is the node that is to write from the next record on, to which the
	// node that writes this hands the partition over. Since version 2.
	Successor string
}

// Genesis is what is fixed when a database is created.
type Genesis struct {
	Partitions uint32
	// SlotEnds[i] is one past the last slot of partition i.
	SlotEnds []uint16
	Created  int64 // wall, Unix nanoseconds
	// After is the last position of a history outside of this log, which goes on
	// with the one after it; 0 for a log that begins by itself.
	After mainstem.Position
}

// Settings are the rules in force, which replay must follow.
type Settings struct {
	// IDAge is how long IDs are kept, in nanoseconds of log age.
	IDAge int64
	// History says, per prefix of GROUP/NAME, how long versions are kept, in
	// nanoseconds of log age; the longest matching prefix counts.
	History []Keep
	// Retain is how long records are kept in the log, in nanoseconds of log
	// age. No rule goes by it: only what trims the log does.
	Retain int64
}

// Keep is how long the versions of a prefix of group and name are kept.
type Keep struct {
	Group  string
	Prefix string
	Age    int64
}

// Checkpoint carries the digest of one of 64 ranges of the key space, as it
// was just after the record named by Settled, and asks for the next one.
type Checkpoint struct {
	// Settled is the index whose digest this is; 0 when there is none yet.
	Settled uint64
	Range   uint8
	Digest  [16]byte
	// Next is the range whose digest is to be taken just after this record.
	Next uint8
	// Horizons are the oldest positions for which history is kept from here
	// on: element 0 by default, i+1 under rule i of the settings.
	Horizons []mainstem.Position
}

// Refusal is a recorded definite refusal of all attempts up to Attempt.
type Refusal struct {
	Group   string
	ID      mainstem.ID
	Attempt uint32
}

// Transaction is one decided transaction.
type Transaction struct {
	Group       string
	ID          mainstem.ID
	Attempt     uint32
	Fingerprint []byte
	Effects     []mainstem.Effect
	// Results has one element per operation asked for; effects that belong
	// together may be fewer or more.
	Results []mainstem.Result
	Reply   []byte
	Refused bool
	Meta    mainstem.Meta
	// Later is the log age that had passed since the header's when this
	// transaction was judged: a record can be open for as long as the one
	// before it takes to reach the disk.
	Later time.Duration
	// Undecodable marks a transaction that this program could not decode. It
	// takes its position and has no effect, by rule, everywhere.
	Undecodable bool
}

// Last is the position of the last transaction, or of the one before First
// when there are none.
func (h *Header) Last() mainstem.Position { return h.First + mainstem.Position(h.Count) - 1 }
