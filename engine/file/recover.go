package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// Recovery says what Open found.
type Recovery struct {
	// Clean is true when the log had been shut down in order, or is new.
	Clean bool
	// Rewritten counts the entries above the last known durable index: they
	// were found whole, may or may not have been acknowledged, and were kept.
	Rewritten uint64
	// Dropped is true when a torn tail was cut off at Offset of Segment.
	Dropped bool
	Segment uint64
	Offset  int64
}

// Recovered says what Open found and did.
func (l *Log) Recovered() Recovery { return l.recovered }

// recover reads the directory, decides, and only then writes. A crash at any
// point of it leaves either the old last segment or the rewritten one, so it
// can simply run again (RELIABILITY 1.7).
func (l *Log) recover(ctx context.Context) error {
	ids, err := l.list()
	if err != nil {
		return err
	}
	m, err := readManifest(l.cfg.FS, l.cfg.Dir)
	if err != nil {
		return err
	}
	if m != nil && l.cfg.After.Index > 0 {
		return fmt.Errorf("file: %s holds a log; one that begins behind index %d is made in an empty directory", l.cfg.Dir, l.cfg.After.Index)
	}
	if m == nil {
		if m, ids, err = l.found(ids); err != nil {
			return err
		}
	}
	l.id = m.log
	if ids, err = l.kept(ids, m.first); err != nil {
		return err
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := openSegment(l.cfg.FS, l.cfg.Dir, id, &m.log, l.cfg.ReadOnly)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, s)
	}
	return l.settle()
}

// list returns the ids of the segments in the directory, in order, and collects
// the files that were never finished.
func (l *Log) list() ([]uint64, error) {
	names, err := l.cfg.FS.List(l.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("file: list %s: %w", l.cfg.Dir, err)
	}
	ids := []uint64{}
	for _, name := range names {
		if id := parseSegmentName(name); id > 0 {
			ids = append(ids, id)
		}
		if strings.HasSuffix(name, disk.TempSuffix) {
			l.leftover = append(l.leftover, name)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// found founds a new log, or finishes the founding of one. The manifest is
// the last step of founding, and no entry is taken before it.
func (l *Log) found(ids []uint64) (*manifest, []uint64, error) {
	lost := &Damage{File: manifestName, What: "the manifest is missing"}
	if len(ids) > 1 || len(ids) == 1 && ids[0] != 1 {
		return nil, nil, lost
	}
	if l.cfg.ReadOnly {
		if len(ids) == 1 {
			return nil, nil, lost
		}
		return nil, nil, fmt.Errorf("file: there is no log in %s: check the directory's name", l.cfg.Dir)
	}
	m, after := manifest{first: 1}, l.cfg.After
	if len(ids) == 0 {
		randomBytes(m.log[:])
		s, err := l.create(header{log: m.log, id: 1, base: 1 + after.Index, prev: after.Hash, durable: after.Index}, nil, 0)
		if err != nil {
			return nil, nil, err
		}
		if err := s.release(); err != nil {
			return nil, nil, fmt.Errorf("file: close %s: %w", s.name, err)
		}
	} else {
		s, err := openSegment(l.cfg.FS, l.cfg.Dir, 1, nil, false)
		if err != nil {
			return nil, nil, err
		}
		v, _, err := s.examine()
		_ = s.release() // nothing was written
		if err != nil {
			return nil, nil, err
		}
		if v.last != 0 || v.durable != 0 || v.residue != 0 || v.mark != nil {
			return nil, nil, lost
		}
		m.log = s.log
	}
	return &m, []uint64{1}, writeManifest(l.cfg.FS, l.cfg.Dir, m)
}

// kept leaves out what a trim had yet to remove, and checks that no segment is
// missing.
func (l *Log) kept(ids []uint64, first uint64) ([]uint64, error) {
	for len(ids) > 0 && ids[0] < first {
		l.leftover = append(l.leftover, segmentName(ids[0]))
		ids = ids[1:]
	}
	for i := range max(len(ids), 1) {
		if want := first + uint64(i); i >= len(ids) || ids[i] != want {
			return nil, &Damage{Segment: want, File: segmentName(want), What: "the segment is missing"}
		}
	}
	return ids, nil
}

// examine reads the whole segment and says what is in it.
func (s *segment) examine() (verdict, []byte, error) {
	data := make([]byte, s.size)
	if n, err := s.file.ReadAt(data, 0); n < len(data) {
		return verdict{}, nil, fmt.Errorf("file: read %s: %w", s.name, err)
	}
	return examine(s, data), data, nil
}

// settle finds the end of the log, refuses what cannot be, and repairs the
// rest.
func (l *Log) settle() error {
	n := len(l.segments)
	last := l.segments[n-1]
	v, data, err := last.examine()
	if err != nil {
		return err
	}
	if err := v.judge(last); err != nil {
		return err
	}
	if v.footer != nil {
		return &Damage{
			Segment: last.id + 1, File: segmentName(last.id + 1), Index: v.last + 1,
			What: fmt.Sprintf("the newest segment is missing: the footer of segment %d proves that there was one", last.id),
		}
	}
	virgin := v.last+1 == last.base && v.residue == 0
	for i, s := range l.segments[:n-1] {
		err := s.loadFooter()
		if errors.Is(err, errUnsealed) && i == n-2 && virgin {
			err = l.complete(s, last)
		}
		if errors.Is(err, errUnsealed) {
			err = s.damage(s.footerSlot(), s.base, err.Error())
		}
		if err != nil {
			return err
		}
		if err := s.follows(l.segments[i+1]); err != nil {
			return err
		}
	}
	last.set(v)
	l.tail = last.head()
	l.recovered = Recovery{Clean: v.clean(), Segment: last.id, Offset: v.end, Dropped: v.residue != 0}
	if !v.clean() {
		l.recovered.Rewritten = v.last - max(v.durable, last.base-1)
	}
	if l.cfg.ReadOnly {
		return nil
	}
	return l.repair(v, data, virgin)
}

// complete checks a segment whose roll-over was cut off between the making of
// the next segment and the footer: it must hold everything up to there.
func (l *Log) complete(s, next *segment) error {
	v, _, err := s.examine()
	if err != nil {
		return err
	}
	v.durable = max(v.durable, next.base-1)
	if err := v.judge(s); err != nil {
		return err
	}
	if v.residue != 0 {
		return s.damage(v.residue, v.last+1, "bytes follow the last entry of a full segment")
	}
	s.set(v)
	return nil
}

// repair makes the log fit for appends. After an unclean shutdown the last
// segment is written anew: what this process reads may be page cache that a
// failed sync left clean, so that syncing the same file again would write
// nothing (RELIABILITY 1.2). The new file holds zeros where a torn tail was.
func (l *Log) repair(v verdict, data []byte, virgin bool) error {
	for _, name := range l.leftover {
		err := l.cfg.FS.Remove(l.cfg.FS.PathJoin(l.cfg.Dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) { // founding may have taken its name
			return fmt.Errorf("file: remove the leftover %s: %w", name, err)
		}
	}
	n := len(l.segments)
	last := l.segments[n-1]
	if v.clean() {
		if err := l.putNotes(KindNote); err != nil {
			return err
		}
		return l.takeReserve()
	}
	if n > 1 && virgin {
		// The footer before it may likewise be cache only. Writing it again
		// makes its page dirty, so this sync is a real one.
		if err := l.seal(l.segments[n-2]); err != nil {
			return err
		}
		l.segments[n-2].sealed = true
	}
	h := header{log: l.id, id: last.id, base: last.base, prev: last.prev, durable: v.last}
	fresh, err := l.create(h, func(h header) []byte { return reencode(last, data, v.end, h) }, v.end-dataStart)
	if err != nil {
		return err
	}
	fresh.set(v)
	l.segments[n-1] = fresh
	if err := last.release(); err != nil {
		return fmt.Errorf("file: close the replaced %s: %w", last.name, err)
	}
	return l.takeReserve()
}

// create is createSegment for Open: on a full disk it makes do with the
// reserve's space and the smallest segment that serves.
func (l *Log) create(h header, body func(header) []byte, size int64) (*segment, error) {
	h.size = segmentSizeFor(l.cfg.SegmentSize, size)
	s, err := createSegment(l.cfg.FS, l.cfg.Dir, h, body)
	if !roomMissing(err) {
		return s, err
	}
	if err := l.dropReserve(); err != nil {
		return nil, err
	}
	h.size = segmentSizeFor(l.smallSize(), size)
	s, err = createSegment(l.cfg.FS, l.cfg.Dir, h, body)
	if roomMissing(err) {
		return nil, fmt.Errorf("%w: opening the log needs %d bytes, free some space: %w", ErrFull, h.size, err)
	}
	return s, err
}

// reencode writes the entries of an examined segment for the file that will
// replace it: the same offsets, checks that belong to the new file.
func reencode(old *segment, data []byte, end int64, h header) []byte {
	out := make([]byte, end-dataStart)
	mix := h.mix()
	for at := int64(dataStart); at < end; {
		f, size, err := decodeFrame(data[at:end], old.mixed, at)
		if err != nil {
			// examine has just decoded these very bytes.
			panic(fmt.Sprintf("file: entry at offset %d of %s changed in memory: %v", at, old.name, err)) //tidy:panic memory was overwritten: writing on would make the damage durable
		}
		encodeFrame(out[at-dataStart:at-dataStart+int64(size)], f, mix, at)
		at += int64(size)
	}
	return out
}
