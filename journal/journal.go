// Package journal is the lower of Mainstem's two seams: a totally ordered,
// append-only log of records in which every record names its predecessor.
//
// An engine (engine/memory, engine/file) is a Log. The suite in
// journal/journaltest says what a Log must do; an engine is finished when the
// suite is green against the real thing.
package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/tally"
)

// Hash is the SHA-256 of a record as it is stored. A record carries the hash
// of its predecessor, so that a log is a chain (L2).
type Hash [sha256.Size]byte

// Sum is the hash of one stored record.
func Sum(record []byte) Hash { return sha256.Sum256(record) }

// String is the first eight bytes in hex: enough to tell two heads apart in a
// message.
func (h Hash) String() string { return hex.EncodeToString(h[:8]) }

// Head names one record: by its place in the chain, by its content, and by
// the place the engine keeps it at. The zero Head is the head of an empty log.
//
// Invariants: Index is dense in the chain and starts at 1. Slot is the
// engine's own dense count; it runs ahead of Index where an engine holds void
// records. Index == 0 exactly when Hash and Slot are zero too.
type Head struct {
	Index uint64
	Hash  Hash
	Slot  uint64
}

// Entry is one slot of a log as it is stored. The engine has verified its own
// checksums; whether the record continues the chain is the reader's to judge.
type Entry struct {
	Slot   uint64
	Record []byte
}

// Outcomes of Append other than success. Every error of Append is exactly one
// of the three.
var (
	// ErrLost: the record is not in the log and never will be, because the
	// predecessor already has another successor.
	ErrLost = errors.New("journal: lost: another record follows the predecessor")
	// ErrUnknown: the record may or may not be in the log. Only a successor
	// of its predecessor tells (L11).
	ErrUnknown = errors.New("journal: unknown: the record may or may not be in the log")
	// ErrFailed: the record is not in the log, and nothing was written for it.
	ErrFailed = errors.New("journal: failed: the record is not in the log")
)

// ErrCorrupt marks a log whose stored bytes are damaged: a bad checksum at or
// below a durable record, a missing or swapped segment, a broken chain (L12).
var ErrCorrupt = errors.New("journal: corrupt")

// ErrTrimmed marks a slot that is no longer kept.
var ErrTrimmed = errors.New("journal: trimmed")

// MaxRecord is the largest record, in bytes, that every engine accepts; a
// larger one is ErrFailed.
const MaxRecord = 8 << 20

// Log is a totally ordered log with one successor per record. Its methods may
// be called from several goroutines, but at most one Append runs at a time.
type Log interface {
	// Append writes record as the successor of after, and returns its Head
	// once it is as durable as the engine promises. The engine compares both
	// the index and the hash of after with its tail. Cancelling ctx never
	// undoes an append: it can only turn the outcome into ErrUnknown. On an
	// engine that several processes share, a record that follows after already,
	// byte for byte, was appended by an earlier call, and its Head is returned:
	// so an unknown append is resolved by repeating it (L11).
	Append(ctx context.Context, after Head, record []byte) (Head, error)

	// Read yields the entries from the given slot on, in order and without a
	// gap, up to the tail at the time of the call, and then ends. Only
	// durable entries are yielded. A slot below the oldest kept one yields
	// ErrTrimmed, damage ErrCorrupt. Slots start at 1. The record's bytes
	// are the caller's to keep.
	Read(ctx context.Context, from uint64) iter.Seq2[Entry, error]

	// Confirm returns nil if, at some moment after the call began, head was
	// the tail of this log; ErrLost if head already has a successor.
	Confirm(ctx context.Context, head Head) error

	// Wait returns nil as soon as a durable entry exists at slot or above.
	Wait(ctx context.Context, slot uint64) error

	// Trim allows the engine to forget every entry below slot. It may keep
	// more; it never drops the newest entry.
	Trim(ctx context.Context, slot uint64) error

	// Close releases what the log holds. Calls that run, or come later, end
	// with ErrFailed.
	Close() error
}

// Guarantees says what an engine's acknowledgement means on this deployment.
type Guarantees struct {
	// Engine names the engine, for example "file".
	Engine string `json:"engine"`
	// Synced is true when an acknowledged record was forced to stable storage.
	Synced bool `json:"synced"`
	// Machines is how many machines hold a record before it is acknowledged, and
	// Copies how many hold it in the end.
	Machines int `json:"machines"`
	Copies   int `json:"copies,omitempty"`
	// Loses says in one sentence what can still lose acknowledged data.
	Loses string `json:"loses"`
	// Weak lists settings that weaken the promise; empty when none does.
	Weak []string `json:"weak,omitempty"`
}

// Database is the logs of one database on an engine that several nodes share, one
// per partition. The engine keeps the identity and the number of partitions, so
// that all nodes agree on them from the first one on.
type Database struct {
	ID         [16]byte
	Logs       []Log
	Guarantees Guarantees
	// Blobs is where the engine itself keeps snapshots of the partitions, so that a node
	// that begins with nothing needs no more than the log; nil where it keeps none.
	Blobs blob.Store
}

// Figures is what an engine counts of one log in this process. An engine that
// counts has a method Figures that returns it; one that does not has nothing to say.
type Figures struct {
	// Syncs are how long it took to force appended records to stable storage,
	// in nanoseconds, those that failed included.
	Syncs tally.Counts
	// Bytes and Files are what the log takes on its disk.
	Bytes int64
	Files int
}
