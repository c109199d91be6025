package backup

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// format is the version of manifests, chunks and archives that is written, and the newest
// that is read.
const format = 1

// Manifest says what a snapshot is of, and what it consists of.
type Manifest struct {
	Format      int                  `json:"format"`
	Database    string               `json:"database"`
	Generation  string               `json:"generation"`
	Incarnation mainstem.Incarnation `json:"incarnation"`
	Partition   uint32               `json:"partition"`
	Partitions  uint32               `json:"partitions"`
	// Index, Hash and Slot are those of the last record that is in it, Position of the
	// last transaction; Age and Wall are that record's times.
	Index    uint64            `json:"index"`
	Hash     string            `json:"hash"`
	Slot     uint64            `json:"slot"`
	Position mainstem.Position `json:"position"`
	Age      mainstem.LogAge   `json:"age"`
	Wall     int64             `json:"wall"`
	// Node wrote it.
	Node   string  `json:"node"`
	Chunks []Chunk `json:"chunks"`
	Rows   int64   `json:"rows"`
	Bytes  int64   `json:"bytes"`
	// Check is the SHA-256 of all of this without it.
	Check string `json:"check"`
}

func (m *Manifest) sum() (string, error) {
	bare := *m
	bare.Check = ""
	text, err := json.Marshal(bare)
	return sum(text), err
}

// Head names the last record that is in the snapshot.
func (m *Manifest) Head() (journal.Head, error) {
	h := journal.Head{Index: m.Index, Slot: m.Slot}
	hash, err := hex.DecodeString(m.Hash)
	if err != nil || len(hash) != len(h.Hash) {
		return h, fmt.Errorf("%w: the manifest of record %d names the hash %.80q (L12)", blob.ErrCorrupt, m.Index, m.Hash)
	}
	copy(h.Hash[:], hash)
	return h, nil
}

// Ref is where a snapshot is.
type Ref struct {
	Database    record.UUID
	Partition   uint32
	Incarnation mainstem.Incarnation
	Index       uint64
	node        string // eight digits that stand for the node's name
}

func of(database record.UUID, partition uint32) string {
	return fmt.Sprintf("%x/p%04d/", database[:], partition)
}

func (r Ref) at() string {
	return fmt.Sprintf("%s%016x/snapshot-%020d-%s", of(r.Database, r.Partition), uint64(r.Incarnation), r.Index, r.node)
}

func (r Ref) manifest() string { return r.at() + "/manifest" }
func (r Ref) record() string   { return r.at() + "/record" }

// String is for messages.
func (r Ref) String() string { return r.at() }

// refOf is the snapshot that a blob belongs to, and what of it the blob is.
func refOf(name string) (r Ref, part string, ok bool) {
	words := strings.Split(name, "/")
	if len(words) != 5 || len(words[0]) != 2*len(r.Database) {
		return r, "", false
	}
	id, err := hex.DecodeString(words[0])
	if err != nil {
		return r, "", false
	}
	copy(r.Database[:], id)
	number, _ := strings.CutPrefix(words[1], "p")
	partition, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return r, "", false
	}
	incarnation, err := strconv.ParseUint(words[2], 16, 64)
	if err != nil {
		return r, "", false
	}
	rest, _ := strings.CutPrefix(words[3], "snapshot-")
	at, node, _ := strings.Cut(rest, "-")
	if r.Index, err = strconv.ParseUint(at, 10, 64); err != nil {
		return r, "", false
	}
	r.Partition, r.Incarnation, r.node = uint32(partition), mainstem.Incarnation(incarnation), node
	return r, words[4], strings.HasPrefix(name, r.at()+"/")
}

// List finds the snapshots of a partition that have a manifest, newest first. Those of an
// incarnation that a restore has ended are among them.
func List(ctx context.Context, store blob.Store, database record.UUID, partition uint32) ([]Ref, error) {
	names, err := store.List(ctx, of(database, partition))
	if err != nil {
		return nil, err
	}
	var all []Ref
	for _, name := range names {
		if r, part, ok := refOf(name); ok && part == "manifest" {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Ref) int {
		if a.Index != b.Index {
			return int(min(1, max(-1, int64(b.Index-a.Index))))
		}
		return strings.Compare(b.at(), a.at())
	})
	return all, nil
}

// Load reads the manifest of a snapshot, and holds it to its place.
func (r Ref) Load(ctx context.Context, store blob.Store) (*Manifest, error) {
	text, err := store.Get(ctx, r.manifest())
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.manifest(), err)
	}
	if m.Database != hex.EncodeToString(r.Database[:]) || m.Partition != r.Partition || m.Incarnation != r.Incarnation || m.Index != r.Index {
		return nil, fmt.Errorf("%w: %s is of database %.32s, partition %d, incarnation %016x, record %d (L2)", blob.ErrCorrupt, r.manifest(), m.Database, m.Partition, uint64(m.Incarnation), m.Index)
	}
	return m, nil
}

func decodeManifest(text []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%w: a manifest does not parse: %w", blob.ErrCorrupt, err)
	}
	if m.Format > format {
		e := mainstem.Errorf(mainstem.Invalid, "a snapshot of format %d; this program reads up to %d", m.Format, format)
		e.Advice = "use the newer Mainstem that wrote it; nothing was changed"
		return nil, e
	}
	want, err := m.sum()
	if err != nil || m.Check != want {
		return nil, fmt.Errorf("%w: a manifest's check is %.16s, not %.16s (L12)", blob.ErrCorrupt, want, m.Check)
	}
	if m.Format < 1 || m.Index == 0 || m.Partitions == 0 || m.Partition >= m.Partitions {
		return nil, fmt.Errorf("%w: a manifest of format %d names record %d of partition %d of %d (L12)", blob.ErrCorrupt, m.Format, m.Index, m.Partition, m.Partitions)
	}
	_, err = m.Head()
	return m, err
}

// describe begins the manifest of a state.
func describe(tail *state.Tail, node string) *Manifest {
	return &Manifest{
		Format: format, Database: hex.EncodeToString(tail.Database[:]), Generation: hex.EncodeToString(tail.Generation[:]),
		Incarnation: tail.Incarnation, Partition: tail.Partition, Partitions: tail.Genesis.Partitions,
		Index: tail.Head.Index, Hash: hex.EncodeToString(tail.Head.Hash[:]), Slot: tail.Head.Slot,
		Position: tail.Last, Age: tail.Age, Wall: tail.Wall, Node: node, Chunks: []Chunk{},
	}
}
