package file

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// Limits of a segment's size in bytes. Recovery holds one segment in memory,
// twice; hence the upper one.
const (
	minSegment     = 16 << 10
	maxSegment     = 256 << 20
	defaultSegment = 16 << 20
	maxFrame       = journal.MaxRecord + frameHeader + dataStart + trailer + 4096
)

const segmentSuffix = ".log"

func segmentName(id uint64) string { return fmt.Sprintf("%016x%s", id, segmentSuffix) }

// parseSegmentName returns 0 for a name that is not a segment's.
func parseSegmentName(name string) uint64 {
	hex, found := strings.CutSuffix(name, segmentSuffix)
	if !found || len(hex) != 16 {
		return 0
	}
	id, err := strconv.ParseUint(hex, 16, 64)
	if err != nil || segmentName(id) != name {
		return 0
	}
	return id
}

// waypoint says where an entry stands, so that a read need not walk its
// segment from the start.
type waypoint struct {
	index  uint64
	offset int64
}

// waypointEvery is the distance of waypoints, in bytes of data.
const waypointEvery = 16 << 10

// way is what is known of where entries stand, in order.
type way []waypoint

// pass remembers where an entry stands, if all places that are known are far before it.
func (w *way) pass(index uint64, offset int64) {
	if n := len(*w); n == 0 || offset-(*w)[n-1].offset >= waypointEvery {
		*w = append(*w, waypoint{index, offset})
	}
}

// segment is one open segment file.
//
// The fields below mu belong to the log's mutex: an append moves them while
// readers look.
type segment struct {
	header
	mixed uint32 // header.mix, computed once
	name  string
	file  disk.File
	refs  atomic.Int32 // the log's own, and one per reader

	// under Log.mu
	last   uint64       // index of the last durable entry; base-1 when empty
	hash   journal.Hash // of that entry; header.prev when empty
	end    int64        // offset after it
	sealed bool         // a footer is durable
	way    way          // in order; of a segment that was sealed before the log was opened, up to where it was read
}

func newSegment(h header, name string, f disk.File) *segment {
	s := &segment{header: h, mixed: h.mix(), name: name, file: f, last: h.base - 1, hash: h.prev, end: dataStart}
	s.refs.Store(1)
	return s
}

func (s *segment) count() uint64 { return s.last + 1 - s.base }

// release gives up one reference; the last one closes the file.
func (s *segment) release() error {
	if s.refs.Add(-1) > 0 {
		return nil
	}
	return s.file.Close()
}

// note moves the tail of the segment over an entry that became durable.
func (s *segment) note(index uint64, hash journal.Hash, offset int64, size int) {
	s.way.pass(index, offset)
	s.last, s.hash, s.end = index, hash, offset+int64(size)
}

// seek returns the nearest known place at or before index.
func (s *segment) seek(index uint64) waypoint {
	n, found := slices.BinarySearchFunc(s.way, index, func(w waypoint, index uint64) int { return cmp.Compare(w.index, index) })
	switch {
	case found:
		return s.way[n]
	case n == 0:
		return waypoint{s.base, dataStart}
	}
	return s.way[n-1]
}

func (s *segment) damage(offset int64, index uint64, what string) *Damage {
	return &Damage{Segment: s.id, File: s.name, Offset: offset, Index: index, What: what}
}

// openSegment opens a segment and checks its header.
// A nil log means that the log's identity is what the header says.
func openSegment(fs disk.FS, dir string, id uint64, log *[16]byte, readOnly bool) (*segment, error) {
	name := segmentName(id)
	path := fs.PathJoin(dir, name)
	open := disk.OpenReadWrite
	if readOnly {
		open = func(fs disk.FS, path string) (disk.File, error) { return fs.Open(path) }
	}
	f, err := open(fs, path)
	if err != nil {
		return nil, fmt.Errorf("file: open segment %s: %w", path, err)
	}
	h, err := readHeader(f, id, log)
	if err != nil {
		_ = f.Close() // opened for reading only so far: nothing to lose
		if errors.Is(err, ErrVersion) {
			return nil, fmt.Errorf("file: segment %s: %w", path, err)
		}
		if d := (*Damage)(nil); errors.As(err, &d) {
			d.File = name
		}
		return nil, err
	}
	return newSegment(h, name, f), nil
}

func readHeader(f disk.File, id uint64, log *[16]byte) (header, error) {
	bad := func(format string, args ...any) error {
		return &Damage{Segment: id, What: fmt.Sprintf(format, args...)}
	}
	info, err := f.Stat()
	if err != nil {
		return header{}, fmt.Errorf("file: stat segment %d: %w", id, err)
	}
	if info.Size() < minSegment {
		return header{}, bad("the file has %d bytes, less than any segment", info.Size())
	}
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		return header{}, fmt.Errorf("file: read the header of segment %d: %w", id, err)
	}
	h, err := decodeHeader(b)
	switch {
	case errors.Is(err, ErrVersion):
		return header{}, err
	case err != nil:
		return header{}, bad("%v", err)
	case h.id != id:
		return header{}, bad("the file holds segment %d: segments were swapped or renamed", h.id)
	case log != nil && h.log != *log:
		return header{}, bad("the segment belongs to another log")
	case info.Size() < h.size:
		return header{}, bad("the file has %d bytes, its header says %d", info.Size(), h.size)
	}
	return h, nil
}

// slot reads one frame of the trailer. The error is errZero for an unused
// slot, errFrame for a damaged or torn one.
func (s *segment) slot(offset int64) (frame, error) {
	b := make([]byte, sector)
	if _, err := s.file.ReadAt(b, offset); err != nil {
		return frame{}, fmt.Errorf("file: read %s at %d: %w", s.name, offset, err)
	}
	f, size, err := decodeFrame(b, s.mixed, offset)
	if err == nil && (f.kind == KindEntry || !allZero(b[size:])) {
		err = errFrame
	}
	return f, err
}

// putSlot writes one frame of the trailer; the caller syncs.
func (s *segment) putSlot(file disk.File, offset int64, f frame) error {
	b := make([]byte, sector)
	encodeFrame(b[:frameSize(len(f.payload))], f, s.mixed, offset)
	if _, err := file.WriteAt(b, offset); err != nil {
		return fmt.Errorf("file: write a %s to %s at %d: %w", f.kind, s.name, offset, err)
	}
	return nil
}
