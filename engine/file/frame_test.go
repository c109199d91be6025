package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

func frameBytes(f frame, mix uint32, offset int64) []byte {
	b := make([]byte, frameSize(len(f.payload)))
	encodeFrame(b, f, mix, offset)
	return b
}

// FuzzDecodeFrame: any bytes at all are decoded or refused, nothing panics, no
// length makes it reach beyond them, and what is accepted was encoded so.
func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte{}, uint32(0), int64(0))
	f.Add(make([]byte, 200), uint32(1), int64(4096))
	f.Add(frameBytes(frame{kind: KindEntry, index: 7, durable: 6, payload: []byte("payload")}, 9, 4096), uint32(9), int64(4096))
	f.Add(frameBytes(frame{kind: KindMark, index: 7, durable: 7}, 9, 4608), uint32(9), int64(4608))
	f.Add(frameBytes(frame{kind: KindEntry, index: 1, payload: make([]byte, 5000)}, 9, 8)[:4000], uint32(9), int64(8))
	f.Fuzz(func(t *testing.T, b []byte, mix uint32, offset int64) {
		got, size, err := decodeFrame(b, mix, offset)
		if err != nil {
			return
		}
		if size > len(b) || !got.valid() {
			t.Fatalf("accepted %+v of %d bytes out of %d", got, size, len(b))
		}
		if again := frameBytes(got, mix, offset); len(again) != size || !bytes.Equal(again[frameHeader:frameHeader+len(got.payload)], got.payload) {
			t.Fatal("an accepted frame does not encode to itself")
		}
	})
}

// FuzzExamine: any content of a segment gets a verdict, without a panic, and a
// run of entries in it is dense.
func FuzzExamine(f *testing.F) {
	h := header{id: 1, base: 1, size: minSegment}
	good := frameBytes(frame{kind: KindEntry, index: 1, payload: []byte("one")}, h.mix(), dataStart)
	f.Add(good, uint16(0), []byte{})
	f.Add(good, uint16(40), []byte{1})
	f.Fuzz(func(t *testing.T, data []byte, at uint16, patch []byte) {
		b := make([]byte, minSegment)
		copy(b[dataStart:], data)
		copy(b[int(at)%minSegment:], patch)
		s := newSegment(h, "x", nil)
		v := examine(s, b)
		if v.err == nil && (v.end < dataStart || v.end > s.dataEnd() || v.last > 0 && v.end == dataStart) {
			t.Fatalf("verdict %+v", v)
		}
		_ = v.judge(s)
	})
}

// TestBytesElsewhereAreNoFrame: a frame is valid in its own place only, so
// that recycled bytes, or a log stored as a record, never look like entries.
func TestBytesElsewhereAreNoFrame(t *testing.T) {
	h := header{id: 3, base: 10, nonce: 5, size: minSegment}
	b := frameBytes(frame{kind: KindEntry, index: 10, durable: 9, payload: []byte("x")}, h.mix(), 4096)
	if _, _, err := decodeFrame(b, h.mix(), 4096); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(h *header) int64{
		"another offset":  func(*header) int64 { return 8 },
		"another segment": func(h *header) int64 { h.id++; return 0 },
		"another base":    func(h *header) int64 { h.base++; return 0 },
		"another life":    func(h *header) int64 { h.nonce++; return 0 },
		"another log":     func(h *header) int64 { h.log[0]++; return 0 },
	} {
		other := h
		shift := change(&other)
		if _, _, err := decodeFrame(b, other.mix(), 4096+shift); err == nil {
			t.Errorf("a frame is valid at %s", what)
		}
	}
}

// TestPipelinedBatches: of two entries that were written before either was
// synced, the disk keeps any sectors. If the first one's are gone, both go;
// but an entry that a later one calls durable may not be gone (RELIABILITY 1.5).
func TestPipelinedBatches(t *testing.T) {
	for _, c := range []struct {
		name    string
		durable uint64 // what the third entry says
		corrupt bool
	}{
		{"both unsynced", 1, false},
		{"the second was durable", 2, true},
	} {
		h := header{id: 1, base: 1, size: minSegment}
		s := newSegment(h, "x", nil)
		data, at, hash := make([]byte, minSegment), int64(dataStart), journal.Hash{}
		offsets := []int64{}
		for i := uint64(1); i <= 3; i++ {
			payload := bytes.Repeat([]byte{byte(i)}, 700)
			f := frame{kind: KindEntry, index: i, durable: i - 1, hash: hash, payload: payload}
			if i == 3 {
				f.durable = c.durable
			}
			offsets = append(offsets, at)
			at += int64(copy(data[at:], frameBytes(f, s.mixed, at)))
			hash = journal.Sum(payload)
		}
		for lost := int64(1); lost <= 2; lost++ { // sectors of the second entry
			b := bytes.Clone(data)
			from := (offsets[1] + disk.Sector - 1) / disk.Sector * disk.Sector
			clear(b[from : from+(lost-1)*disk.Sector])
			clear(b[offsets[1]:from])
			v := examine(s, b)
			err := v.judge(s)
			if v.last != 1 || errors.Is(err, journal.ErrCorrupt) != c.corrupt {
				t.Errorf("%s: cut after %d, %v", c.name, v.last, err)
			}
		}
	}
}

// TestNewerFormat: a directory of a newer build is refused as that, not as
// damage.
func TestNewerFormat(t *testing.T) {
	for _, name := range []string{manifestName, segmentName(1)} {
		fs := disk.NewMem()
		cfg := Config{FS: fs, Dir: "log", SegmentSize: minSegment}
		l, err := Open(context.Background(), cfg)
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		path := fs.PathJoin("log", name)
		b, err := disk.ReadFile(fs, path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		b[8] = formatVersion + 1
		if name == manifestName {
			binary.LittleEndian.PutUint32(b[44:], crc32.Checksum(b[:44], castagnoli))
		} else {
			binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:headerSize], castagnoli)^crc32.Checksum(b[:12], castagnoli))
		}
		if err := disk.WriteFile(fs, path, b); err != nil {
			t.Fatal(err)
		}
		_, err = Open(context.Background(), cfg)
		if !errors.Is(err, ErrVersion) || errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), "newer build") {
			t.Errorf("%s of a newer format: %v", name, err)
		}
	}
}
