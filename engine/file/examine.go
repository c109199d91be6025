package file

import (
	"encoding/binary"
	"errors"

	"github.com/mainstemdb/mainstem/journal"
)

// verdict is what the bytes of one segment say.
type verdict struct {
	last    uint64       // last entry of the unbroken run from the start
	hash    journal.Hash // of that entry
	end     int64        // offset after it
	way     way
	durable uint64 // highest index that any valid frame calls durable
	// residue is the offset of the first byte after end that is not zero,
	// or 0 when there is none.
	residue int64
	mark    *frame // a clean shutdown, if one is recorded
	footer  *frame // the seal, if there is one
	torn    int    // trailer slots that hold something invalid
	err     error  // damage that no torn write explains
}

// examine reads a whole segment that may end anywhere. It is pure: the same
// bytes give the same verdict, whatever they are.
func examine(s *segment, data []byte) verdict {
	v := verdict{last: s.base - 1, hash: s.prev, end: dataStart, durable: s.durable}
	region := data[:s.dataEnd()]
	v.walk(s, region)
	if v.err == nil {
		v.search(s, region)
		v.slots(s, data)
	}
	return v
}

// walk follows the entries until the first place that is not the next one.
func (v *verdict) walk(s *segment, region []byte) {
	for {
		f, size, err := decodeFrame(region[v.end:], s.mixed, v.end)
		if errors.Is(err, ErrVersion) {
			v.err = err
			return
		}
		if err != nil || f.kind != KindEntry {
			return
		}
		// Its checks hold, so these are the bytes that were written here. A
		// wrong neighbour is therefore no torn write, whatever its index.
		if f.index != v.last+1 || f.hash != v.hash {
			v.err = s.damage(v.end, v.last+1, "a valid entry does not continue the chain (L2)")
			return
		}
		v.durable = max(v.durable, f.durable)
		v.way.pass(f.index, v.end)
		v.last, v.hash, v.end = f.index, journal.Sum(f.payload), v.end+int64(size)
	}
}

// search looks beyond the break for valid frames. Sectors of what was not yet
// synced reach the disk in any order, so a later frame may have survived, and
// what it calls durable decides about the break (RELIABILITY 1.5).
func (v *verdict) search(s *segment, region []byte) {
	for at := v.end; at+frameAlign <= int64(len(region)); at += frameAlign {
		word := binary.LittleEndian.Uint64(region[at:])
		if word == 0 {
			continue
		}
		if v.residue == 0 {
			v.residue = at
		}
		if uint32(word) != frameMagic {
			continue
		}
		if f, _, err := decodeFrame(region[at:], s.mixed, at); err == nil {
			v.durable = max(v.durable, f.durable)
		}
	}
}

// slots reads the trailer.
func (v *verdict) slots(s *segment, data []byte) {
	for _, at := range []int64{s.noteSlot(0), s.noteSlot(1), s.footerSlot()} {
		b := data[at : at+sector]
		f, size, err := decodeFrame(b, s.mixed, at)
		if errors.Is(err, ErrVersion) {
			v.err = err
			return
		}
		if err == errZero { //nolint:errorlint // never wrapped
			continue
		}
		if err != nil || f.kind == KindEntry || !allZero(b[size:]) {
			v.torn++
			continue
		}
		v.durable = max(v.durable, f.durable)
		switch f.kind {
		case KindMark:
			v.mark = &f
		case KindFooter:
			v.footer = &f
		}
	}
}

// judge applies RELIABILITY 1.5: the break is a torn tail, to be cut, exactly
// when it is above everything that any valid frame calls durable; otherwise
// something acknowledged is gone.
func (v *verdict) judge(s *segment) error {
	switch {
	case v.err != nil:
		return v.err
	case v.durable > v.last:
		return s.damage(v.end, v.last+1, "an entry that was durable is missing or damaged (L12)")
	case v.footer != nil && v.footer.index != v.last:
		return s.damage(v.end, v.footer.index+1, "entries follow the last one that the footer names")
	case v.footer != nil && v.footer.hash != v.hash:
		return s.damage(v.end, v.last, "the footer names another last entry")
	case v.mark == nil:
		return nil
	case v.mark.index != v.last || v.mark.hash != v.hash:
		return s.damage(v.end, v.mark.index, "the log does not end where its clean shutdown says")
	case v.residue != 0:
		return s.damage(v.residue, v.last+1, "bytes follow the end of a log that was shut down cleanly")
	}
	return nil
}

// clean tells whether the log was shut down in order and nothing followed.
func (v *verdict) clean() bool { return v.mark != nil && v.footer == nil }
