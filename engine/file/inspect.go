package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// Frame is one frame as the inspector shows it.
type Frame struct {
	Segment uint64
	File    string
	Offset  int64 // in bytes, within the file
	Size    int   // in bytes, header and padding included
	Kind    Kind
	Index   uint64
	Durable uint64 // highest index known durable when the frame was written
	// Hash is the predecessor's for an entry, the tail's for the other kinds.
	Hash journal.Hash
	// Record is an entry's bytes; nil for the other kinds.
	Record []byte
}

// Inspect yields every frame in the directory of a log, segment by segment:
// the entries, then the trailer. It takes no lock, changes nothing, and goes
// on after damage: a pair with an error is a *Damage, or says what could not
// be read. Valid frames behind a damaged one are still found.
func Inspect(fs disk.FS, dir string) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		l := &Log{cfg: Config{FS: fs, Dir: dir, ReadOnly: true}}
		ids, err := l.list()
		if err != nil {
			yield(Frame{}, err)
			return
		}
		for i, id := range ids {
			if i > 0 && ids[i-1]+1 != id {
				if !yield(Frame{}, &Damage{Segment: ids[i-1] + 1, File: segmentName(ids[i-1] + 1), What: "the segment is missing"}) {
					return
				}
			}
			s, err := openSegment(fs, dir, id, nil, true)
			if err != nil {
				if !yield(Frame{}, err) {
					return
				}
				continue
			}
			more := s.inspect(yield)
			if err := s.release(); err != nil && more {
				more = yield(Frame{}, fmt.Errorf("file: close %s: %w", s.name, err))
			}
			if !more {
				return
			}
		}
	}
}

func (s *segment) inspect(yield func(Frame, error) bool) bool {
	data := make([]byte, s.size)
	if err := readFull(s.file, data, 0); err != nil {
		return yield(Frame{}, fmt.Errorf("file: read %s: %w", s.name, err))
	}
	index, broken := s.base, false
	for at := int64(dataStart); at+frameAlign <= s.dataEnd(); {
		f, size, err := decodeFrame(data[at:s.dataEnd()], s.mixed, at)
		if err == nil {
			if !yield(s.shown(f, at, size), nil) {
				return false
			}
			at, index, broken = at+int64(size), f.index+1, false
			continue
		}
		// One message for one stretch of bytes that are no frame.
		if nonZero := binary.LittleEndian.Uint64(data[at:]) != 0; nonZero && !broken {
			if !yield(Frame{}, s.damage(at, index, err.Error())) {
				return false
			}
			broken = true
		}
		at += frameAlign
	}
	for _, at := range []int64{s.noteSlot(0), s.noteSlot(1), s.footerSlot()} {
		f, size, err := decodeFrame(data[at:at+sector], s.mixed, at)
		if errors.Is(err, errZero) {
			continue
		}
		shown := Frame{}
		if err == nil {
			shown = s.shown(f, at, size)
		} else {
			err = s.damage(at, s.base, "a trailer slot is damaged: "+err.Error())
		}
		if !yield(shown, err) {
			return false
		}
	}
	return true
}

func (s *segment) shown(f frame, at int64, size int) Frame {
	shown := Frame{Segment: s.id, File: s.name, Offset: at, Size: size, Kind: f.kind, Index: f.index, Durable: f.durable, Hash: f.hash}
	if f.kind == KindEntry {
		shown.Record = slices.Clone(f.payload)
	}
	return shown
}
