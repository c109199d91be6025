// Package peer holds the systems that are measured side by side, one file
// each, behind one small interface. A peer is set up as its own documentation
// recommends for data that must not be lost, and says how it was set up.
package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// Kind is a kind of operation.
type Kind string

// The kinds. Every one but Get is acknowledged only once it is durable.
const (
	// CAS writes Value to Key if the key is at Version; 0 means absent. It
	// returns the new version.
	CAS Kind = "cas"
	// Add takes one from the counter that all clients share, and never goes
	// below zero.
	Add Kind = "add"
	// Append adds Value to the client's stream if it has Version events. It
	// returns the new number of events.
	Append Kind = "append"
	// Get reads Key, as fresh as anybody's last acknowledged write. It returns
	// the version, 0 for an absent key.
	Get Kind = "get"
)

// Op is one operation of one client.
type Op struct {
	Kind    Kind
	Client  int
	Key     int
	Version uint64
	Value   []byte
}

// System is an open peer. Do is called from as many goroutines as there are
// clients, one operation of a client at a time.
type System interface {
	Do(ctx context.Context, op *Op) (version uint64, err error)
	// Settings are what it runs with, asked from the system itself where it
	// can tell.
	Settings() map[string]string
	Close() error
}

// Server is a System that runs in another process, whose processor time and
// writes count instead of this one's.
type Server interface{ PID() int }

// Logged is a Server whose write-ahead log is counted: WAL is how many bytes of
// it there are. Level is called before a window.
type Logged interface {
	Server
	Level(ctx context.Context) error
	WAL(ctx context.Context) (int64, error)
}

// Loader is a System with a faster way to write many new keys than one by one.
type Loader interface {
	// Load makes the keys [from, to) exist, with values of size bytes.
	Load(ctx context.Context, from, to, size int) error
}

// valueOf is a value of each key's own, which does not compress: the same bytes
// again and again would make the tables smaller than anybody's are.
func valueOf(key, size int) []byte {
	value := make([]byte, 0, size+8)
	for random := rand.NewPCG(uint64(key), 0); len(value) < size; {
		value = binary.LittleEndian.AppendUint64(value, random.Uint64())
	}
	return value[:size]
}

// Settler is a System that goes on working after it has answered.
type Settler interface {
	// Settle waits until that is done, and says so.
	Settle(ctx context.Context) (said string, err error)
}

// Config is what a system is opened with.
type Config struct {
	// Dir is the system's own directory. What an earlier visit left there is
	// used again.
	Dir string
	// Clients is how many clients will call at a time.
	Clients int
	// Partitions are those of a log that nodes share; 0 is one.
	Partitions int
	// Variant is one of Peer.Variants, or empty.
	Variant string
	// Memory is the budget of a system that has one knob for it; 0 is its default.
	Memory int64
	// CallerIDs gives every write an ID of the caller's, where a system has them.
	CallerIDs bool
	// Record is how many bytes the floor writes; others do not look at it.
	Record Record
	// Postgres is a server to use; nil means one of the system's own, in Dir.
	Postgres *Shared
	// Database is the database to use on it, which is made if it is not there,
	// and dropped at the end unless Keep says otherwise.
	Database string
	Keep     bool
}

// Record is the size of one record of a log with n transactions: Base + n*Each.
type Record struct {
	Base float64 `json:"base"`
	Each float64 `json:"each"`
}

// ErrMissing marks a peer that this machine does not have.
var ErrMissing = errors.New("not on this machine")

// Peer is a system that can be opened.
type Peer struct {
	Name  string
	Kinds []Kind
	// Ours is measured whether it is asked for or not.
	Ours bool
	// Variants are the values of the one setting that is searched for its best
	// at each number of clients; nil if nothing is searched.
	Variants func(clients int, writes bool) []string
	Open     func(context.Context, Config) (System, error)
}

// Can reports whether the peer has all these kinds of operation.
func (p *Peer) Can(kinds ...Kind) bool {
	return !slices.ContainsFunc(kinds, func(k Kind) bool { return !slices.Contains(p.Kinds, k) })
}

// All are the systems in the order of a table: Mainstem first, floors last.
var All = []Peer{
	mainstemPeer, serverPeer, onPostgresPeer, onJetStreamPeer, onJetStreamR3Peer, bboltPeer, sqlitePeer, redisPeer, postgresPeer, etcdPeer, jetstreamPeer,
	jetstreamR3Peer, floorSync,
	pgRunPeer, pgOncePeer, pgBeginPeer, handwrittenPeer, riverPeer,
}

// Find is the peer of a name.
func Find(name string) (*Peer, error) {
	for i := range All {
		if All[i].Name == name {
			return &All[i], nil
		}
	}
	return nil, fmt.Errorf("no system is called %q", name)
}

// keysPerGroup is how many neighbouring keys share a group, a table prefix or
// whatever a system has of the kind.
const keysPerGroup = 100

// keyName is a key's name where keys have no groups.
func keyName(key int) string { return "key-" + digits(key) }

// digits is a number of fixed width, so that names sort as numbers do.
func digits(n int) string {
	s := strconv.Itoa(n)
	const zeros = "0000000000"
	return zeros[:max(0, len(zeros)-len(s))] + s
}

// counterStart is high enough that no run sells out.
const counterStart = 1 << 50

// startTimeout bounds how long a server may take to answer for the first time.
const startTimeout = 20 * time.Second

func unsupported(kind Kind) error { return fmt.Errorf("this system has no %s", kind) }
