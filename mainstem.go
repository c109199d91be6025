package mainstem

import (
	"context"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// Backend is the upper of Mainstem's two seams, as http.RoundTripper is to
// net/http. A node in this process, a client of a server, a retry policy and a
// recorder of histories are all Backends. It may be called from many
// goroutines.
type Backend interface {
	// Commit runs the transaction once. An error other than Undecided means
	// that this call wrote nothing, now or later.
	Commit(ctx context.Context, t *Transaction) (*Receipt, error)
	// View opens a frozen view with at least the asked consistency, and looks
	// up the asked ID in the same round trip (L5).
	View(ctx context.Context, r ViewRequest) (Snapshot, error)
	// Changes yields what has committed, in order, in batches as they are
	// there. It ends with an error, with ctx, or, if asked to drain, at the head;
	// a drain that ctx ends before is Cancelled.
	Changes(ctx context.Context, from From) iter.Seq2[Batch, error]
	// Close releases everything. Calls that run end with Stopped or Undecided.
	Close() error
}

// Snapshot is an open view as a Backend gives it; View and Cut are the
// comfortable forms.
type Snapshot interface {
	// Read answers one question from the frozen state.
	Read(ctx context.Context, q Query) (Answer, error)
	// Known is the first receipt of the ID that the request asked for, with
	// Replayed set; nil when the ID has not committed.
	Known() *Receipt
	// Stamp says where and when the view is frozen.
	Stamp() Stamp
	// Close releases the view. It is safe to call more than once.
	Close() error
}

// ViewRequest is what a view is opened for.
type ViewRequest struct {
	// Group is the one group to be read; empty means the whole database.
	Group string
	At    Consistency
	// ID and Fingerprint, when the ID is not zero, are looked up before
	// anything else. A voided ID is Cancelled, another fingerprint IDReused.
	ID          ID
	Fingerprint []byte
}

// Stamp says where and when a view is frozen. Position, Age and Wall are those
// of the group's partition; of a whole database only Token and Staleness count.
type Stamp struct {
	Token    Token
	Position Position
	Age      LogAge
	Wall     time.Time
	// Staleness is how old the view is known to be at most: 0 for a view
	// confirmed at the tail.
	Staleness time.Duration
	// Attempt is the highest attempt of the asked ID that was refused for good;
	// 0 when none was. A new attempt has to have a higher number (L11).
	Attempt uint32
}

// QueryKind says what a Query asks.
type QueryKind uint8

// The questions, and which fields of Query and Answer they use.
const (
	// QueryGet: Group, Name -> Versions (none or one).
	QueryGet QueryKind = iota + 1
	// QueryScan: Group, keys in [Name, To), Max -> Versions, More.
	QueryScan
	// QueryEvents: Group, stream Name, After, Max -> Events, Length, More.
	QueryEvents
	// QueryStreams: Group, streams in [Name, To), Max -> Names, More.
	QueryStreams
	// QueryLease: Group, lease Name -> Lease.
	QueryLease
	// QueryID: Group, ID Name (as ParseID reads it) -> Receipt (nil if unknown).
	QueryID
	// QueryHistory: Group, key Name, Max -> Versions, newest first, deletions
	// included with Exists false.
	QueryHistory
	// QueryGroups: groups after Name, by slot and then by name, Max -> Names,
	// More. Whole database only.
	QueryGroups
)

// Query is one question to a Snapshot. Max 0 means as many as fit in one
// answer; More then says whether there is more.
type Query struct {
	Kind  QueryKind
	Group string
	Name  string
	To    string
	After uint64
	Max   int
}

// Validate reports a question that has no answer: its kind is known, its group is
// one, unless it asks for groups, names and bounds are valid UTF-8, and Max is at
// least 0.
func (q Query) Validate() error {
	switch {
	case q.Kind == 0 || q.Kind > QueryGroups:
		return Errorf(Invalid, "query of unknown kind %d", q.Kind)
	case q.Max < 0:
		return Errorf(Invalid, "max of %d is below 0", q.Max)
	case !utf8.ValidString(q.Name):
		return Errorf(Invalid, "name %q of a question is not valid UTF-8", q.Name)
	case !utf8.ValidString(q.To):
		return Errorf(Invalid, "range bound %q is not valid UTF-8", q.To)
	case q.Kind == QueryGroups && utf8.ValidString(q.Group):
		return nil
	}
	return CheckGroup(q.Group)
}

// Answer is what a Snapshot says.
type Answer struct {
	Versions []Version
	Events   []Recorded
	Length   uint64
	Names    []string
	Lease    Lease
	Receipt  *Receipt
	More     bool
}

// Version is a key as it was written at a position.
type Version struct {
	Name     string
	Exists   bool
	Value    Value
	Position Position
	// Until is the log age at which the key may expire; 0 means never.
	Until LogAge
}

// Recorded is an event in its stream.
type Recorded struct {
	Event
	// Number is the event's place in its stream, from 1.
	Number   uint64
	Position Position
}

// Lease is the newest grant of a lease; the zero Lease was never granted.
type Lease struct {
	Owner    string
	Token    FencingToken
	Until    LogAge
	Released bool
}

// DB is a database behind a Backend.
type DB struct {
	backend Backend
	ids     *idSource
	ages    *ages
}

// New makes a DB of a Backend. Library-made IDs come from one session per DB.
func New(b Backend) *DB { return &DB{backend: b, ids: newIDSource(), ages: new(ages)} }

// Backend is what the DB stands on, for wrapping it.
func (db *DB) Backend() Backend { return db.backend }

// Close closes the Backend.
func (db *DB) Close() error { return db.backend.Close() }

// Group is the unit of transaction and of placement: everything that must
// change together lives in one group.
func (db *DB) Group(name string) Group { return Group{db: db, name: name} }

// Cut opens a frozen view of the whole database. Close it.
func (db *DB) Cut(ctx context.Context, at Consistency) (*Cut, error) {
	s, err := db.backend.View(ctx, ViewRequest{At: at})
	if err != nil {
		return nil, err
	}
	return &Cut{snapshot: s}, nil
}

// Get is the short form of a view of one key.
func (db *DB) Get(ctx context.Context, group, name string, at Consistency) (Version, error) {
	return db.Group(group).Get(ctx, name, at)
}

// Changes yields what has committed, partition by partition in order, in
// batches as they are there. See From.
func (db *DB) Changes(ctx context.Context, from From) iter.Seq2[Batch, error] {
	return db.backend.Changes(ctx, from)
}

// Group is one group of a database. It is a small value; copy it freely.
//
// Names that begin with "~" are Mainstem's own (followers, for example): they
// can be read like any other, but Do on them is Invalid.
type Group struct {
	db   *DB
	name string
	own  bool // Mainstem itself works here
}

// ownGroup is a group that may be Mainstem's own.
func (db *DB) ownGroup(name string) Group { return Group{db: db, name: name, own: true} }

// reserved reports whether a name is Mainstem's own.
func reserved(name string) bool { return strings.HasPrefix(name, "~") }

// Name is the group's name.
func (g Group) Name() string { return g.name }

// DB is the database the group is in.
func (g Group) DB() *DB { return g.db }

// View opens a frozen view of the group. Close it.
func (g Group) View(ctx context.Context, at Consistency) (*View, error) {
	s, err := g.freeze(ctx, at)
	if err != nil {
		return nil, err
	}
	return &View{snapshot: s, group: g.name}, nil
}

func (g Group) freeze(ctx context.Context, at Consistency) (Snapshot, error) {
	if err := CheckGroup(g.name); err != nil {
		return nil, err
	}
	return g.db.backend.View(ctx, ViewRequest{Group: g.name, At: at})
}

// Get reads one key from a view of its own. A key that does not exist has
// Exists false, and no error.
func (g Group) Get(ctx context.Context, name string, at Consistency) (Version, error) {
	s, err := g.freeze(ctx, at)
	if err != nil {
		return Version{}, err
	}
	defer s.Close()
	return get(ctx, s, g.name, name)
}
