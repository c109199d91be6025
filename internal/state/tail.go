package state

import (
	"slices"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// Tail is what the rules know of the log as a whole: where it ends, its time,
// its settings. It is one row, written with the effects of every record, so
// that state and log cannot be of different histories.
type Tail struct {
	Head journal.Head
	// Last is the last position given to a transaction, LastHash the part that
	// tokens carry of its record's hash.
	Last     mainstem.Position
	LastHash uint32

	Database    record.UUID
	Generation  record.UUID
	Incarnation mainstem.Incarnation
	Partition   uint32
	Genesis     record.Genesis
	Settings    record.Settings

	// Generations are the logs that the database has moved to, in order; Generation
	// is that of the last, or of the log that it began in.
	Generations []Generation

	// Past are the incarnations before this one, each with its last position.
	Past []Era

	Age      mainstem.LogAge
	Wall     int64
	Boot     record.UUID
	BootTime int64
	// Leaps are the ages taken from wall clocks within the last ID age (L6).
	Leaps []Leap

	// Buckets are the live buckets of callers' IDs, oldest first; the last is
	// the current one.
	Buckets []Bucket
	// Horizons are the oldest positions whose history is kept: element 0 by
	// default, i+1 under rule i of the settings.
	Horizons []mainstem.Position
	// Asked is the index after which the digest of range AskedRange was asked
	// for; 0 when none is.
	Asked      uint64
	AskedRange uint8

	// Version is that of the last record, which is in force.
	Version uint8

	// Writer is the node that wrote the last record in which it did not only
	// speak of itself; Members are the nodes there are, by name. Both are of
	// shared logs.
	Writer  string
	Members []Member
	// Votes are digests of one range just after one record, from nodes that do
	// not agree; empty where they do. Decided is the digest on which most of them
	// agreed at last; none if nodes have always agreed.
	Votes   []Vote
	Decided record.Vote
}

// Member is a node of a shared log.
type Member struct {
	Name string
	record.Member
}

// Vote is the digest that a node has.
type Vote struct {
	Node string
	record.Vote
}

// Leap is log age that was taken from a wall clock.
type Leap struct {
	At     mainstem.LogAge
	Amount int64
}

// Era is an incarnation that a restore has ended.
type Era struct {
	Incarnation mainstem.Incarnation
	Last        mainstem.Position
}

// Bucket is the IDs that committed from a log age on, until the next bucket.
type Bucket struct {
	Start mainstem.LogAge
	IDs   uint64
}

// outside is the incarnation of positions that this database has never given: those
// of a history outside, which the log goes on from.
const outside mainstem.Incarnation = 0

// goOn begins a log after the positions of a history outside. They are the last of
// another incarnation, of which nothing is kept here (L1).
func (t *Tail) goOn(after mainstem.Position) {
	if after == 0 {
		return
	}
	t.Past, t.Last = []Era{{Incarnation: outside, Last: after}}, after
	t.Horizons = append(t.Horizons, make([]mainstem.Position, max(0, 1-len(t.Horizons)))...)
	for i := range t.Horizons {
		t.Horizons[i] = max(t.Horizons[i], after)
	}
}

// Outside is the last position of the history outside that this log went on from,
// or 0.
func (t *Tail) Outside() mainstem.Position {
	if len(t.Past) == 0 || t.Past[0].Incarnation != outside {
		return 0
	}
	return t.Past[0].Last
}

// next is the position that a record which continues the chain begins with.
func (t *Tail) next(h *record.Header) mainstem.Position {
	if h.Genesis != nil {
		return h.Genesis.After + 1
	}
	return t.Last + 1
}

// IDs is how many of the callers' own IDs are remembered.
func (t *Tail) IDs() uint64 {
	var n uint64
	for _, b := range t.Buckets {
		n += b.IDs
	}
	return n
}

// DefaultHistory is how long versions of every key are kept at least, in log
// age: conditions on absence and on ranges need them.
const DefaultHistory = 10 * time.Minute

// bucketsPerAge is into how many buckets the ID age is cut; a bucket is
// dropped whole, so rows live up to 1/bucketsPerAge longer than needed.
const bucketsPerAge = 4

// clone is a copy that a speculative step may change.
func (t *Tail) clone() *Tail {
	c := *t
	c.Buckets = slices.Clone(t.Buckets)
	return &c
}

// rule is the number, from 1, of the history rule for a key, or 0.
func (t *Tail) rule(group, name string) int {
	best, length := 0, -1
	for i, k := range t.Settings.History {
		if n := len(k.Group) + len(k.Prefix); n > length && strings.HasPrefix(group, k.Group) && strings.HasPrefix(name, k.Prefix) {
			best, length = i+1, n
		}
	}
	return best
}

// horizon is the oldest position whose history of the key is kept.
func (t *Tail) horizon(group, name string) mainstem.Position {
	if i := t.rule(group, name); i < len(t.Horizons) {
		return t.Horizons[i]
	}
	return 0
}

// NewestHorizon is the horizon of whatever is kept shortest.
func (t *Tail) NewestHorizon() mainstem.Position {
	var newest mainstem.Position
	for _, h := range t.Horizons {
		newest = max(newest, h)
	}
	return newest
}

// tooOld reports whether an ID born then may have been forgotten by now: by its
// age, or because its bucket went while the ID age was shorter than it is now.
func (t *Tail) tooOld(born, now mainstem.LogAge) bool {
	if born == 0 {
		return false
	}
	dropped := len(t.Buckets) > 0 && born < t.Buckets[0].Start
	return dropped || now.Sub(born) > time.Duration(t.Settings.IDAge)
}

// OldestHorizon is the horizon of whatever is kept longest.
func (t *Tail) OldestHorizon() mainstem.Position {
	if len(t.Horizons) == 0 {
		return 0
	}
	return slices.Min(t.Horizons)
}

// LeapBudget is how much log age may still be taken from a wall clock at age
// now: a quarter of the ID age per ID age (L6).
func (t *Tail) LeapBudget(now mainstem.LogAge) int64 {
	left := t.Settings.IDAge / 4
	for _, l := range t.Leaps {
		if now.Sub(l.At) <= time.Duration(t.Settings.IDAge) {
			left -= l.Amount
		}
	}
	return max(0, left)
}

func (t *Tail) encode() []byte {
	var w writer
	w.uint(t.Head.Index)
	w.raw(t.Head.Hash[:])
	w.uint(t.Head.Slot)
	w.uint(uint64(t.Last))
	w.uint(uint64(t.LastHash))
	w.raw(t.Database[:])
	w.raw(t.Generation[:])
	w.uint(uint64(t.Incarnation))
	w.uint(uint64(t.Partition))
	w.uint(uint64(t.Genesis.Partitions))
	w.uint(uint64(len(t.Genesis.SlotEnds)))
	for _, end := range t.Genesis.SlotEnds {
		w.uint(uint64(end))
	}
	w.int(t.Genesis.Created)
	w.int(t.Settings.IDAge)
	w.uint(uint64(len(t.Settings.History)))
	for _, k := range t.Settings.History {
		w.string(k.Group)
		w.string(k.Prefix)
		w.int(k.Age)
	}
	w.int(t.Settings.Retain)
	w.uint(uint64(len(t.Past)))
	for _, e := range t.Past {
		w.uint(uint64(e.Incarnation))
		w.uint(uint64(e.Last))
	}
	w.uint(uint64(t.Age))
	w.int(t.Wall)
	w.raw(t.Boot[:])
	w.int(t.BootTime)
	w.uint(uint64(len(t.Leaps)))
	for _, l := range t.Leaps {
		w.uint(uint64(l.At))
		w.int(l.Amount)
	}
	w.uint(uint64(len(t.Buckets)))
	for _, b := range t.Buckets {
		w.uint(uint64(b.Start))
		w.uint(b.IDs)
	}
	w.uint(uint64(len(t.Horizons)))
	for _, h := range t.Horizons {
		w.uint(uint64(h))
	}
	w.uint(t.Asked)
	w.uint(uint64(t.AskedRange))
	w.string(t.Writer)
	w.uint(uint64(t.Version))
	encodeMembers(&w, t)
	encodeGenerations(&w, t)
	return w.b
}

// LoadTail reads the tail; an empty state has an empty tail.
func LoadTail(rows Rows) (*Tail, error) {
	value, ok, err := rows.Get(tailKey)
	if err == nil && !ok {
		err = otherLayout(rows)
	}
	if err != nil || !ok {
		return &Tail{}, err
	}
	return decodeTail(value)
}

func decodeTail(value []byte) (*Tail, error) {
	t := &Tail{}
	r := reader{b: value}
	t.Head.Index = r.uint()
	r.fill(t.Head.Hash[:])
	t.Head.Slot = r.uint()
	t.Last, t.LastHash = mainstem.Position(r.uint()), uint32(r.uint())
	r.fill(t.Database[:])
	r.fill(t.Generation[:])
	t.Incarnation, t.Partition = mainstem.Incarnation(r.uint()), uint32(r.uint())
	t.Genesis.Partitions = uint32(r.uint())
	for range r.count(1) {
		t.Genesis.SlotEnds = append(t.Genesis.SlotEnds, uint16(r.uint()))
	}
	t.Genesis.Created = r.int()
	t.Settings.IDAge = r.int()
	for range r.count(3) {
		t.Settings.History = append(t.Settings.History, record.Keep{Group: r.string(), Prefix: r.string(), Age: r.int()})
	}
	t.Settings.Retain = r.int()
	for range r.count(2) {
		t.Past = append(t.Past, Era{Incarnation: mainstem.Incarnation(r.uint()), Last: mainstem.Position(r.uint())})
	}
	t.Age, t.Wall = mainstem.LogAge(r.uint()), r.int()
	r.fill(t.Boot[:])
	t.BootTime = r.int()
	for range r.count(2) {
		t.Leaps = append(t.Leaps, Leap{At: mainstem.LogAge(r.uint()), Amount: r.int()})
	}
	for range r.count(2) {
		t.Buckets = append(t.Buckets, Bucket{Start: mainstem.LogAge(r.uint()), IDs: r.uint()})
	}
	for range r.count(1) {
		t.Horizons = append(t.Horizons, mainstem.Position(r.uint()))
	}
	t.Asked, t.AskedRange = r.uint(), uint8(r.uint())
	t.Writer = r.string()
	t.Version = uint8(r.uint())
	decodeMembers(&r, t)
	decodeGenerations(&r, t)
	return t, r.end("the tail")
}

// otherLayout reports rows that another version of Mainstem has laid out.
func otherLayout(rows Rows) error {
	_, found, err := rows.First([]byte{kindTail}, []byte{kindTail + 1})
	if err != nil || !found {
		return err
	}
	e := mainstem.Errorf(mainstem.Invalid, "the state is not of layout %d: another version of Mainstem wrote it", layout)
	e.Advice = "use that version, export there and import here; nothing was changed"
	return e
}
