package backup

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// limitSegment is from how many bytes on a segment of the archive is full; it takes one
// record more.
const limitSegment = 4 << 20

// ErrGap: records between two that the archive has are in it nowhere, and the log has
// them no longer.
var ErrGap = errors.New("backup: the archive has a gap")

// Archive is the records of a partition in one incarnation, byte for byte as they stand
// in its log, in segments that follow each other. The last segment is written anew with
// every Flush, under a name that says how far it goes, before the shorter one is deleted:
// so two that write the same archive at the same time take nothing from each other.
type Archive struct {
	store blob.Store
	at    string
	head  journal.Head // of the last record added
	kept  journal.Head // of the last record that is in the store
	first uint64       // index of the first record of the open segment
	open  []byte
	name  string // of the open segment, as it was written last
}

// segment is one blob of an archive.
type segment struct {
	name        string
	first, last uint64
}

func archiveAt(database record.UUID, partition uint32, incarnation mainstem.Incarnation) string {
	return fmt.Sprintf("%s%016x/records-", of(database, partition), uint64(incarnation))
}

// segments are those of an archive, those that go furthest first.
func segments(ctx context.Context, store blob.Store, at string) ([]segment, error) {
	names, err := store.List(ctx, at)
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, name := range names {
		first, last, ok := strings.Cut(strings.TrimPrefix(name, at), "-")
		s := segment{name: name}
		var bad [2]error
		s.first, bad[0] = strconv.ParseUint(first, 10, 64)
		s.last, bad[1] = strconv.ParseUint(last, 10, 64)
		if ok && bad == [2]error{} && 0 < s.first && s.first <= s.last {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b segment) int { return cmp.Or(cmp.Compare(b.last, a.last), cmp.Compare(a.first, b.first)) })
	return all, nil
}

// Stored is a record of an archive.
type Stored struct {
	*record.Record
	Bytes []byte
	Head  journal.Head
}

// load reads a segment and checks that its records are those that its name says, each
// naming the one before it (L2, L12).
func (s segment) load(ctx context.Context, store blob.Store) ([]Stored, []byte, error) {
	packed, err := store.Get(ctx, s.name)
	if err != nil {
		return nil, nil, err
	}
	b, err := unpack(packed)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", blob.ErrCorrupt, s.name, err)
	}
	all, err := decodeSegment(b)
	if err == nil && (len(all) == 0 || all[0].Index != s.first || all[len(all)-1].Index != s.last) {
		err = fmt.Errorf("%w: it does not have the records that its name says (L12)", blob.ErrCorrupt)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return all, b, nil
}

// decodeSegment takes a segment apart: slot, size and bytes of each record.
func decodeSegment(b []byte) (all []Stored, err error) {
	for len(b) > 0 {
		slot, n := binary.Uvarint(b)
		size, k := binary.Uvarint(b[max(0, n):])
		if n <= 0 || k <= 0 || size > uint64(len(b)-n-k) {
			return nil, fmt.Errorf("%w: record %d of a segment is cut off (L12)", blob.ErrCorrupt, len(all)+1)
		}
		stored := b[n+k : n+k+int(size)]
		b = b[n+k+int(size):]
		r, err := record.Decode(stored)
		if err != nil {
			return nil, fmt.Errorf("%w: record %d of a segment: %w", blob.ErrCorrupt, len(all)+1, err)
		}
		if len(all) > 0 && !follows(r, all[len(all)-1].Head) {
			return nil, fmt.Errorf("%w: record %d of a segment does not name the one before it (L2)", blob.ErrCorrupt, len(all)+1)
		}
		all = append(all, Stored{Record: r, Bytes: stored, Head: journal.Head{Index: r.Index, Hash: journal.Sum(stored), Slot: slot}})
	}
	return all, nil
}

func follows(r *record.Record, head journal.Head) bool {
	return r.Index == head.Index+1 && r.PrevHash == head.Hash
}

// OpenArchive goes on with an archive where it ends, or begins one. A damaged last segment
// is written anew, if the log still has its records.
func OpenArchive(ctx context.Context, store blob.Store, database record.UUID, partition uint32, incarnation mainstem.Incarnation) (*Archive, []error, error) {
	a := &Archive{store: store, at: archiveAt(database, partition, incarnation)}
	all, err := segments(ctx, store, a.at)
	if err != nil {
		return nil, nil, err
	}
	var bad []error
	for _, s := range all {
		records, b, err := s.load(ctx, store)
		if errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrMissing) {
			bad = append(bad, err)
			continue
		}
		if err != nil {
			return nil, bad, err
		}
		a.head = records[len(records)-1].Head
		a.kept = a.head
		if len(b) < limitSegment {
			a.first, a.open, a.name = s.first, b, s.name
		}
		break
	}
	return a, bad, nil
}

// Head is that of the last record added; the zero Head of an archive that has none.
func (a *Archive) Head() journal.Head { return a.head }

// Kept is the head of the last record that is in the store.
func (a *Archive) Kept() journal.Head { return a.kept }

// Add takes the next record of the log. One that names an ancestor is void and is left
// out; one that does not continue the archive is ErrGap.
func (a *Archive) Add(ctx context.Context, entry journal.Entry) error {
	r, err := record.Decode(entry.Record)
	switch {
	case err != nil:
		return fmt.Errorf("the record in slot %d of the log: %w", entry.Slot, err)
	case a.head.Index > 0 && r.Index <= a.head.Index:
		return nil
	case a.head.Index > 0 && !follows(r, a.head):
		return fmt.Errorf("%w: it ends in record %d with hash %s, and the log goes on with record %d after %s (L2)", ErrGap, a.head.Index, a.head.Hash, r.Index, r.PrevHash)
	}
	if len(a.open) >= limitSegment {
		if err := a.Flush(ctx); err != nil {
			return err
		}
		a.open, a.name = nil, ""
	}
	if len(a.open) == 0 {
		a.first = r.Index
	}
	a.open = binary.AppendUvarint(a.open, entry.Slot)
	a.open = binary.AppendUvarint(a.open, uint64(len(entry.Record)))
	a.open = append(a.open, entry.Record...)
	a.head = journal.Head{Index: r.Index, Hash: journal.Sum(entry.Record), Slot: entry.Slot}
	return nil
}

// Flush puts what was added into the store; when it returns no error, all of it is there.
func (a *Archive) Flush(ctx context.Context) error {
	if a.head == a.kept {
		return nil
	}
	name := fmt.Sprintf("%s%020d-%020d", a.at, a.first, a.head.Index)
	packed, err := pack(a.open)
	if err == nil {
		err = a.store.Put(ctx, name, packed)
	}
	if err != nil {
		return err
	}
	shorter := a.name
	a.name, a.kept = name, a.head
	if shorter == "" || shorter == name {
		return nil
	}
	return a.store.Delete(ctx, shorter)
}

// Records yields the archived records after a head, in order; a zero head means from the
// oldest there is. Where one is damaged and is not in another segment too, or where some
// are missing, it ends with an error that says where.
func Records(ctx context.Context, store blob.Store, database record.UUID, partition uint32, incarnation mainstem.Incarnation, after journal.Head, yield func(Stored) error) error {
	all, err := segments(ctx, store, archiveAt(database, partition, incarnation))
	if err != nil {
		return err
	}
	if after.Index == 0 && len(all) > 0 {
		after.Index = slices.MinFunc(all, func(a, b segment) int { return cmp.Compare(a.first, b.first) }).first - 1
	}
	for {
		records, err := covering(ctx, store, all, after.Index+1)
		if err != nil || records == nil {
			return err
		}
		for _, r := range records {
			switch {
			case r.Index <= after.Index:
				if r.Index == after.Index && after.Hash != (journal.Hash{}) && r.Head.Hash != after.Hash {
					return fmt.Errorf("%w: the archive has another record %d than the one with hash %s (L2)", blob.ErrCorrupt, r.Index, after.Hash)
				}
				continue
			case after.Hash != (journal.Hash{}) && !follows(r.Record, after):
				return fmt.Errorf("%w: record %d does not name record %d with hash %s (L2)", blob.ErrCorrupt, r.Index, after.Index, after.Hash)
			}
			if err := yield(r); err != nil {
				return err
			}
			after = r.Head
		}
	}
}

// covering are the records of the segment that has one with an index and goes furthest;
// nil at the end of the archive.
func covering(ctx context.Context, store blob.Store, all []segment, index uint64) ([]Stored, error) {
	var first error
	later := uint64(0)
	for _, s := range all {
		if s.last < index {
			break
		}
		if later = s.first; s.first > index {
			continue
		}
		records, _, err := s.load(ctx, store)
		if err == nil {
			return records, nil
		}
		if !errors.Is(err, blob.ErrCorrupt) && !errors.Is(err, blob.ErrMissing) {
			return nil, err
		}
		first = cmp.Or(first, err)
	}
	switch {
	case first != nil:
		return nil, first
	case later > 0:
		return nil, fmt.Errorf("%w: record %d is missing, and there are later ones", ErrGap, index)
	}
	return nil, nil
}
