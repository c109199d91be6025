package embedded

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// recover fills a directory from a store.
func (c *config) recover(ctx context.Context, r Recovery, dir string) ([]Restored, error) {
	database, err := r.database(ctx)
	if err != nil {
		return nil, err
	}
	var all []Restored
	for count := 1; len(all) < count; {
		i := len(all)
		p := &recovering{c: c, what: r, dir: c.fs.PathJoin(dir, fmt.Sprintf("p%04d", i)), found: Restored{Partition: i}}
		m, err := p.snapshot(ctx, database, uint32(i))
		if err != nil {
			return nil, err
		}
		if count = int(m.Partitions); count > 1 && r.Position > 0 {
			return nil, advise(mainstem.Errorf(mainstem.Invalid, "the database has %d partitions, and a position is one of one of them", count), "say a time")
		}
		if err := p.log(ctx, m); err != nil {
			return nil, err
		}
		all = append(all, p.found)
	}
	m := manifest{Format: formatVersion, Partitions: len(all), Database: hex.EncodeToString(database[:])}
	m.Check = m.sum()
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return all, disk.WriteFile(c.fs, c.fs.PathJoin(dir, manifestName), append(text, '\n'))
}

// database is the one that is named, or the only one there is.
func (r Recovery) database(ctx context.Context) (id record.UUID, err error) {
	all, err := backup.Databases(ctx, r.From)
	if err != nil {
		return id, err
	}
	var names []string
	for _, one := range all {
		name := hex.EncodeToString(one[:])
		if name == strings.ToLower(r.Database) {
			return one, nil
		}
		names = append(names, name)
	}
	switch {
	case len(all) == 0:
		return id, mainstem.Errorf(mainstem.Invalid, "the store has no snapshot")
	case r.Database != "":
		return id, advise(mainstem.Errorf(mainstem.Invalid, "the store has no snapshot of database %.64q", r.Database), "it has "+strings.Join(names, ", "))
	case len(all) > 1:
		return id, advise(mainstem.Errorf(mainstem.Invalid, "the store has snapshots of %d databases", len(all)), "name one of "+strings.Join(names, ", "))
	}
	return all[0], nil
}

// recovering is one partition on its way back.
type recovering struct {
	c     *config
	what  Recovery
	dir   string
	ref   backup.Ref
	found Restored
}

// within reports whether what ends in a position and was begun then is wanted.
func (p *recovering) within(last mainstem.Position, wall int64) bool {
	return (p.what.Position == 0 || last <= p.what.Position) && (p.what.Time.IsZero() || wall < p.what.Time.UnixNano())
}

// snapshot makes the state of the newest snapshot that is wanted and whole.
func (p *recovering) snapshot(ctx context.Context, database record.UUID, partition uint32) (*backup.Manifest, error) {
	all, err := backup.Latest(ctx, p.what.From, database, partition)
	if err != nil {
		return nil, err
	}
	tooNew := 0
	for _, l := range all {
		if l.Err == nil && !p.within(l.Manifest.Position, l.Manifest.Wall) {
			tooNew++
			continue
		}
		err := l.Err
		if err == nil {
			p.ref = l.Ref
			err = p.state(ctx, l.Manifest)
		}
		if err == nil {
			return l.Manifest, nil
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrFailed) {
			return nil, err
		}
		p.found.PassedOver = append(p.found.PassedOver, err.Error())
	}
	switch {
	case len(p.found.PassedOver) > 0:
		return nil, mainstem.Errorf(mainstem.Corrupt, "no snapshot of partition %d is whole: %s", partition, strings.Join(p.found.PassedOver, "; "))
	case tooNew > 0:
		return nil, advise(mainstem.Errorf(mainstem.Trimmed, "all %d snapshots of partition %d are newer than that", tooNew, partition), "say a later position or time")
	}
	return nil, mainstem.Errorf(mainstem.Corrupt, "the store has no snapshot of partition %d, and has others of this database", partition)
}

// state loads the rows, and keeps a copy as the directory's own snapshot: from it the
// restored log can be verified, and the state be built anew.
func (p *recovering) state(ctx context.Context, m *backup.Manifest) error {
	fs := p.c.fs
	if err := fs.RemoveAll(p.dir); err != nil {
		return err
	}
	at := fs.PathJoin(p.dir, "state")
	s, err := store.Open(store.Config{FS: fs, Dir: at, Memory: max(store.MinMemory, p.c.node.Memory/4), Logger: p.c.node.Logger})
	if err != nil {
		return err
	}
	err = s.Load(func(put func(state.Row) error) error {
		return backup.Read(ctx, p.what.From, p.ref, m, func(row state.Row) error {
			row, err := state.Renumber(row)
			if err != nil {
				return err
			}
			return put(row)
		})
	})
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	p.found.Snapshot, p.found.Rows, p.found.Bytes = mainstem.Position(m.Index), m.Rows, m.Bytes
	return disk.CopyDir(fs, at, fs.PathJoin(p.dir, fmt.Sprintf("snapshot-%020d", m.Index)))
}

// log makes the log: it begins with the record that the snapshot ends in, and has what the
// archive has after it.
func (p *recovering) log(ctx context.Context, m *backup.Manifest) error {
	stored, err := backup.Record(ctx, p.what.From, p.ref, m)
	if err != nil {
		return err
	}
	first, err := record.Decode(stored)
	if err != nil {
		return err
	}
	before := journal.Head{Index: first.Index - 1, Hash: first.PrevHash, Slot: first.Index - 1}
	l, err := file.Open(ctx, file.Config{FS: p.c.fs, Dir: p.c.fs.PathJoin(p.dir, "log"), SegmentSize: p.c.segment, After: before})
	if err != nil {
		return err
	}
	head, err := l.Append(ctx, before, stored)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	p.reached(first)
	p.found.Position = m.Position
	err = backup.Records(ctx, p.what.From, p.ref.Database, p.ref.Partition, p.ref.Incarnation, head, func(r backup.Stored) error {
		if !p.within(r.Last(), r.Wall) {
			return errReached
		}
		if head, err = l.Append(ctx, head, r.Bytes); err != nil {
			return err
		}
		p.reached(r.Record)
		p.found.Records++
		return nil
	})
	if errors.Is(err, errReached) {
		err = nil
	}
	if err != nil && mainstem.CodeOf(err) == 0 {
		err = advise(mainstem.Errorf(recoveryCode(err), "the archive of partition %d after record %s, position %s: %w", p.found.Partition, p.found.Index, p.found.Position, err),
			fmt.Sprintf("restore until %s, which is the last moment before it", p.found.Wall.Add(time.Nanosecond).Format(time.RFC3339Nano)))
	}
	return errors.Join(err, l.Close())
}

// errReached ends the reading of an archive where enough was restored.
var errReached = errors.New("reached")

func recoveryCode(err error) mainstem.Code {
	if errors.Is(err, backup.ErrGap) {
		return mainstem.Corrupt
	}
	return mainstem.CodeOf(recoveryError(err))
}

func (p *recovering) reached(r *record.Record) {
	p.found.Index, p.found.Wall = mainstem.Position(r.Index), time.Unix(0, r.Wall).UTC()
	if r.Count > 0 {
		p.found.Position = r.Last()
	}
}
