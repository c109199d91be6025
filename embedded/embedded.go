// Package embedded opens a Mainstem database in one process and one directory
// of files.
package embedded

import (
	"context"
	"log/slog"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// Defaults of the options.
const (
	DefaultMemory  = 256 << 20
	DefaultIDAge   = node.DefaultIDAge
	DefaultHistory = 10 * time.Minute
	DefaultRetain  = node.DefaultRetain
)

// DB is an open database. Everything of mainstem.DB is on it.
type DB struct {
	*mainstem.DB
	node *node.Node
	fs   disk.FS
}

// Option refines Open. The set is closed.
type Option interface{ apply(*config) }

type option func(*config)

func (o option) apply(c *config) { o(c) }

type config struct {
	fs       disk.FS
	readOnly bool
	segment  int64
	node     node.Config
	// partitions is how many a new database has, and an existing one must have.
	partitions *int
	through    []func(mainstem.Backend) mainstem.Backend
	// shared are the logs, where they are not files of this directory.
	shared *journal.Database
}

// Memory is the one memory knob, in bytes: caches, tables, queues and feeds
// together. At least 16 MiB.
func Memory(bytes int64) Option { return option(func(c *config) { c.node.Memory = bytes }) }

// Partitions sets how many partitions a new database has, 1 to 4,096. The
// count is fixed at creation; opening an existing database with another count
// is Invalid.
func Partitions(n int) Option { return option(func(c *config) { c.partitions = &n }) }

// IDAge is how long IDs are kept, in log age, at least a minute. It is recorded:
// a database opened without this option keeps the age it has; a new one begins
// with DefaultIDAge.
func IDAge(d time.Duration) Option { return option(func(c *config) { c.node.IDAge = &d }) }

// History keeps the versions of the keys whose group and name begin with the
// given prefixes for at least d of log age; the longest matching prefix
// counts. Less than DefaultHistory is raised to it, because conditions on
// ranges need that much. The rules are recorded: those given when a database is
// opened take the place of all that it has, and none given leave it those.
func History(groupPrefix, namePrefix string, d time.Duration) Option {
	return option(func(c *config) {
		c.node.History = append(c.node.History, node.Keep{GroupPrefix: groupPrefix, NamePrefix: namePrefix, Age: d})
	})
}

// Retain keeps records in the log, for feeds, for at least d of log age. It is
// recorded: a database opened without this option keeps what it has; a new one
// begins with DefaultRetain.
func Retain(d time.Duration) Option { return option(func(c *config) { c.node.Retain = &d }) }

// Activate puts a version of the log in force, unless that or a higher one is:
// the format of its records, the rules, and the digests. It is never taken back: a
// program that does not know it cannot open the database any more. On a shared log
// it is refused as mainstem.Invalid until every node has said that its program knows
// it. Without it a database keeps the version that it has, whatever this program
// knows.
func Activate(version uint8) Option { return option(func(c *config) { c.node.Activate = version }) }

// SegmentSize is the size of one file of the log, in bytes, 16 KiB to 256 MiB;
// the default is 16 MiB. A restart after a crash writes the last one anew, so
// smaller segments recover faster, and larger ones roll over less often.
func SegmentSize(bytes int64) Option { return option(func(c *config) { c.segment = bytes }) }

// ReadOnly opens without changing a single byte. Commit is Denied.
func ReadOnly() Option { return option(func(c *config) { c.readOnly = true }) }

// Logger is where the database says what an operator should know.
func Logger(l *slog.Logger) Option { return option(func(c *config) { c.node.Logger = l }) }

// Through makes the database stand on what wrap returns, which is to pass on what
// it is given: package observe has one that measures. Of several, the first is
// nearest to the database.
func Through(wrap func(mainstem.Backend) mainstem.Backend) Option {
	return option(func(c *config) { c.through = append(c.through, wrap) })
}

// Snapshots is where snapshots of the partitions are put, beside those in the directory,
// and where a state that is lost begins anew. Without it, Cluster uses what the engine of
// the logs has for that.
func Snapshots(store blob.Store) Option { return option(func(c *config) { c.node.Snapshots = store }) }

// Archive is where the records of the partitions are copied while the database is open, at
// the latest a second after they are durable: with a snapshot they are any moment since
// then, for RestoreFrom.
func Archive(store blob.Store) Option { return option(func(c *config) { c.node.Archive = store }) }

// Cluster makes this a node of a database whose logs other nodes share: the logs
// are those, the directory holds this node's state only, and name is what no other
// node has. Other nodes are reached as self says; without an address this node
// serves all that it is asked itself, and nobody forwards to it.
func Cluster(logs *journal.Database, name string, self node.Shared) Option {
	return option(func(c *config) { c.shared, c.node.Name, c.node.Shared = logs, name, &self })
}

// Movable lets a database whose log is in files of its directory move to one that
// nodes share, and follow where it has moved to: it is then the node that self
// describes, under a name that no other node has.
func Movable(name string, self node.Shared) Option {
	return option(func(c *config) { c.node.Name, c.node.Shared = name, &self })
}

// Move moves the database to the log at url, while it serves: see node.Node.Move.
// Progress is told as the move goes on, from the goroutine that moves.
func (db *DB) Move(ctx context.Context, url string, progress func(node.MoveProgress)) (*node.Moved, error) {
	return db.node.Move(ctx, url, progress)
}

// Forget takes a node that is lost for good out of the database: see node.Node.Forget.
func (db *DB) Forget(ctx context.Context, name string) error { return db.node.Forget(ctx, name) }

// Direct is the node as other nodes are to reach it: it forwards nothing.
func (db *DB) Direct() mainstem.Backend { return db.node.Direct() }

// Node is the node itself, for what works beside its loop: see package pgcluster.
func (db *DB) Node() *node.Node { return db.node }

// OnDisk puts the database on another file system, for tests with faults.
func OnDisk(fs disk.FS) Option { return option(func(c *config) { c.fs = fs }) }

// OnClock gives the database another clock, for tests with jumps.
func OnClock(clock node.Clock) Option { return option(func(c *config) { c.node.Clock = clock }) }

// Open opens the database in dir, and creates it if the directory is empty or
// does not exist. One process at a time may have a directory open.
func Open(ctx context.Context, dir string, opts ...Option) (*DB, error) {
	return open(ctx, dir, opts)
}

// Done is closed when the database has stopped, by Close or by itself.
func (db *DB) Done() <-chan struct{} { return db.node.Done() }

// Err is why the database stopped by itself, or nil.
func (db *DB) Err() error { return db.node.Err() }

// Database is the identity of the database, 32 hexadecimal digits: what its snapshots and
// its archive lie under.
func (db *DB) Database() string { return db.node.Database().String() }

// Figures are what the database has counted since it was opened, and what it holds
// at the moment. They can be read after Close.
func (db *DB) Figures() node.Figures { return db.node.Figures() }

// Guarantees say what an acknowledgement means here, and what can still lose
// acknowledged data. Weak is not empty when something weakens the promise, for
// example a file system whose sync may do nothing.
func (db *DB) Guarantees() Guarantees { return db.node.Guarantees() }

// Snapshot writes a snapshot of every partition and reads it back, so that the
// log below the older of the last two can be trimmed.
func (db *DB) Snapshot(ctx context.Context) error { return db.node.Snapshot(ctx) }

// Trim forgets the records older than the retention that a snapshot covers.
func (db *DB) Trim(ctx context.Context) error { return db.node.Trim(ctx) }
