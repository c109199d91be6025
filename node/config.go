// Package node is a journal.Log and a state between the two seams: one writer
// loop per partition gathers waiting transactions, judges them, appends one
// record, applies it, answers, and notifies. A Node is a mainstem.Backend.
package node

import (
	"log/slog"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// Config is what a node is opened with. The zero value of a field means its
// default where one is named.
type Config struct {
	// Memory is the one memory knob, in bytes.
	Memory int64
	// Partitions is how many partitions the database has.
	Partitions int
	// IDAge is how long IDs are kept, in log age; History are rules for how
	// long versions are kept; Retain is how long records stay in the log for
	// feeds, in log age. They are the database's own, recorded in its log: nil
	// leaves each as it is, and a new database with its default.
	IDAge   *time.Duration
	History []Keep
	Retain  *time.Duration
	// Activate puts a version of the log's records in force, from record.First to
	// record.Newest; 0 leaves it as it is. It is never taken back.
	Activate uint8

	Clock  Clock
	Logger *slog.Logger
	// Name is the node's name in the records it writes.
	Name string

	// Database identifies the logs, and with them a database that is founded on them;
	// one that has moved there has kept its own identity, which its records have.
	// Incarnation is the one a new or restored database begins with.
	Database    record.UUID
	Incarnation mainstem.Incarnation
	// Home is the logs that the directory was made for. A state that has moved since
	// is on others; an empty one belongs there.
	Home record.UUID
	// Restored begins the new incarnation on an existing log (L1).
	Restored bool
	ReadOnly bool
	// Guarantees are the engine's.
	Guarantees journal.Guarantees
	// Shared is for logs that other nodes append to as well, and for moving to one;
	// nil where this node is alone, and stays so.
	Shared *Shared
	// Snapshots, if not nil, is where the node that writes a partition puts snapshots of
	// it, and where a node begins whose state is empty or that was away for longer than
	// its log is kept. A shared log is trimmed only with one.
	Snapshots blob.Store
	// Archive, if not nil, is where the node that writes a partition copies its records,
	// byte for byte, so that a snapshot and they are any moment of the past.
	Archive blob.Store
	// Parts are the partitions' logs and places of state, in order.
	Parts []Part
}

// Part is what one partition stands on. A part whose log could not be opened
// carries the error instead: that partition refuses, the others serve (L12).
type Part struct {
	Log journal.Log
	FS  disk.FS
	// Dir holds the partition's state and snapshots.
	Dir string
	// Shared says that other nodes append to the log, too.
	Shared bool
	// Blobs is a store that the log's engine has beside it, or nil: for snapshots, unless
	// Config.Snapshots names another.
	Blobs blob.Store
	Err   error
	// Broken, if not nil, is closed when the log has ended by itself, and Why
	// says why.
	Broken <-chan struct{}
	Why    func() error
}

// Keep is how long versions of the keys with these prefixes are kept.
type Keep struct {
	GroupPrefix, NamePrefix string
	Age                     time.Duration
}

// What a new database begins with.
const (
	DefaultIDAge  = 24 * time.Hour
	DefaultRetain = 7 * 24 * time.Hour
)

// Limits of the options.
const (
	MinMemory     = 16 << 20
	MinIDAge      = time.Minute
	MaxPartitions = mainstem.Slots
	maxAge        = 100 * 365 * 24 * time.Hour
)

// Validate reports the first option that is out of its limits.
func (c *Config) Validate() error {
	switch {
	case c.Memory < MinMemory:
		return mainstem.Errorf(mainstem.Invalid, "memory of %d bytes; the least is %d", c.Memory, MinMemory)
	case c.Partitions < 1 || c.Partitions > MaxPartitions:
		return mainstem.Errorf(mainstem.Invalid, "%d partitions; there may be 1 to %d", c.Partitions, MaxPartitions)
	case c.share(60) < store.MinMemory:
		return mainstem.Errorf(mainstem.Invalid, "memory of %d bytes is too little for %d partitions; give at least %d", c.Memory, c.Partitions, c.Partitions*store.MinMemory*100/60+1)
	case c.IDAge != nil && (*c.IDAge < MinIDAge || *c.IDAge > maxAge):
		return mainstem.Errorf(mainstem.Invalid, "IDs kept for %s; it may be %s to %s", *c.IDAge, MinIDAge, maxAge)
	case c.Activate > record.Newest:
		return mainstem.Errorf(mainstem.Invalid, "version %d of the log cannot be put in force; this program knows %d to %d", c.Activate, record.Oldest, record.Newest)
	case c.Retain != nil && (*c.Retain < 0 || *c.Retain > maxAge):
		return mainstem.Errorf(mainstem.Invalid, "records retained for %s; it may be 0 to %s", *c.Retain, maxAge)
	}
	for _, k := range c.History {
		if k.Age < 0 || k.Age > maxAge {
			return mainstem.Errorf(mainstem.Invalid, "history of %q, %q kept for %s; it may be 0 to %s", k.GroupPrefix, k.NamePrefix, k.Age, maxAge)
		}
		if len(k.GroupPrefix) > mainstem.LimitName || len(k.NamePrefix) > mainstem.LimitName {
			return mainstem.Errorf(mainstem.TooLarge, "a history prefix is longer than %d bytes", mainstem.LimitName)
		}
	}
	return c.Shared.validate(c.Name)
}

// settings are those in force from now on.
func (c *Config) settings(before *state.Tail) record.Settings {
	s := before.Settings
	if before.Head.Index == 0 {
		s = record.Settings{IDAge: int64(DefaultIDAge), Retain: int64(DefaultRetain)}
	}
	if c.IDAge != nil {
		s.IDAge = int64(*c.IDAge)
	}
	if c.Retain != nil {
		s.Retain = int64(*c.Retain)
	}
	if c.History != nil {
		s.History = nil
	}
	for _, k := range c.History {
		s.History = append(s.History, record.Keep{Group: k.GroupPrefix, Prefix: k.NamePrefix, Age: int64(max(k.Age, state.DefaultHistory))})
	}
	return s
}

// genesis shares the slots out evenly, in order.
func (c *Config) genesis() record.Genesis {
	g := record.Genesis{Partitions: uint32(c.Partitions), Created: c.Clock.Wall().UnixNano()}
	for i := 1; i <= c.Partitions; i++ {
		g.SlotEnds = append(g.SlotEnds, uint16(i*mainstem.Slots/c.Partitions))
	}
	return g
}

// share is a part of the memory knob for one partition, in bytes.
func (c *Config) share(percent int64) int64 {
	return c.Memory * percent / 100 / int64(c.Partitions)
}
