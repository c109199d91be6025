package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"runtime"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// craft wraps a header and transactions as Encode does, whatever they are.
func craft(header []byte, transactions ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, magic)
	b = append(b, Newest, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, part := range append([][]byte{header}, transactions...) {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	b = append(b, 0, 0, 0, 0)
	reseal(b)
	return b
}

// reseal makes length and checksums right.
func reseal(b []byte) {
	if len(b) < minRecord {
		return
	}
	end := len(b) - checkSize
	binary.LittleEndian.PutUint32(b[lengthAt:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[checkAt:], crc32.Checksum(b[:checkAt], castagnoli))
	binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
}

// plain is a header of index 1, first position 1 and count transactions.
func plain(count byte) []byte {
	h := []byte{headIndex, 1, 1, headFirst, 1, 1}
	if count > 0 {
		h = append(h, headCount, 1, count)
	}
	return h
}

func TestUnknownFields(t *testing.T) {
	const free = 40 << 1
	if _, err := Decode(craft(append(plain(0), free|must, 1, 9))); !errors.Is(err, ErrNewer) || errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("a field that must be understood: %v", err)
	}
	if r, err := Decode(craft(append(plain(0), free, 1, 9))); err != nil || r.Index != 1 {
		t.Errorf("a field that may be skipped: %v", err)
	}
	newer := craft(plain(0))
	newer[versionAt] = Newest + 1
	reseal(newer)
	if _, err := Peek(newer); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
	flagged := craft(plain(0))
	flagged[5] = 1
	reseal(flagged)
	if _, err := Peek(flagged); !errors.Is(err, ErrNewer) {
		t.Errorf("an unknown flag: %v", err)
	}
}

// TestUndecodable: a poisoned transaction takes its position, has no effect,
// and harms neither its neighbours nor the record.
func TestUndecodable(t *testing.T) {
	group := []byte{nameGroup, 1, 'g'}
	effect := func(fields ...byte) []byte {
		return append([]byte{txEffects, byte(len(fields) + 1), byte(len(fields))}, fields...)
	}
	for name, poison := range map[string][]byte{
		"must field":        {40<<1 | must, 0},
		"cut off":           {nameGroup, 5, 'g'},
		"no shortest form":  {nameNumber, 2, 0x81, 0},
		"empty value":       {nameGroup, 0},
		"zero number":       {nameNumber, 1, 0},
		"zero session":      append([]byte{nameSession, 16}, make([]byte, 16)...),
		"wrong order":       {txReply, 1, 'r', nameGroup, 1, 'g'},
		"twice":             {nameGroup, 1, 'g', nameGroup, 1, 'g'},
		"wrong mark":        {nameGroup &^ must, 1, 'g'},
		"tag zero":          {0, 0},
		"kind of effect":    effect(effectKind, 1, byte(mainstem.EffectPresent)+1),
		"no kind of effect": effect(effectName, 1, 'n'),
		"bytes and counter": effect(effectKind, 1, 1, effectBytes, 1, 'b', effectCounter, 1, 2),
		"effect's field":    effect(effectKind, 1, 1, 40<<1|must, 0),
		"result":            {txResults, 2, 1, 8},
	} {
		r, err := Decode(craft(plain(3), group, poison, group))
		want := []Transaction{{Group: "g"}, {Undecodable: true}, {Group: "g"}}
		if err != nil || !reflect.DeepEqual(r.Transactions, want) {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		if _, err := Encode(nil, r); err == nil {
			t.Errorf("%s: an undecodable transaction was written again", name)
		}
	}
	if r, err := Decode(craft(plain(1), append(bytes.Clone(group), 40<<1, 0))); err != nil || r.Transactions[0].Undecodable {
		t.Errorf("a field that may be skipped: %+v, %v", r, err)
	}
}

func TestInvalid(t *testing.T) {
	for name, b := range map[string][]byte{
		"no index":         craft([]byte{headFirst, 1, 1}),
		"no first":         craft([]byte{headIndex, 1, 1}),
		"too few":          craft(plain(2), nil),
		"too many":         craft(plain(1), nil, nil),
		"huge count":       craft(append(plain(0), headCount, 5, 0xff, 0xff, 0xff, 0xff, 0x0f)),
		"zero number":      craft([]byte{headIndex, 1, 1, headPartition, 1, 0, headFirst, 1, 1}),
		"header cut":       craft([]byte{headIndex}),
		"flag with value":  craft(append(plain(0), headRestored, 1, 1)),
		"zero hash":        craft(append([]byte{headIndex, 1, 1, headPrevHash, 32}, make([]byte, 32)...)),
		"odd slot ends":    craft(append(plain(0), headGenesis, 3, genesisSlotEnds, 1, 7)),
		"refusal cut":      craft(append(plain(0), headRefusals, 2, 5, 0)),
		"beyond 64 bits":   craft([]byte{headIndex, 1, 1, headFirst, 10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, headCount, 1, 1}, nil),
		"number too large": craft([]byte{headIndex, 11, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, headFirst, 1, 1}),
	} {
		if r, err := Decode(b); !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for name, r := range map[string]*Record{
		"no version": {Header: Header{Index: 1, First: 1}},
		"beyond":     {Header: Header{Version: Newest + 1, Index: 1, First: 1}},
		"successor":  {Header: Header{Version: handsOver - 1, Index: 1, First: 1, Successor: "b"}},
		"no index":   {Header: Header{Version: First, First: 1}},
		"no first":   {Header: Header{Version: First, Index: 1}},
		"count":      {Header: Header{Version: First, Index: 1, First: 1, Count: 1}},
		"no kind":    {Header: Header{Version: First, Index: 1, First: 1, Count: 1}, Transactions: []Transaction{{Effects: make([]mainstem.Effect, 1)}}},
		"too large":  {Header: Header{Version: First, Index: 1, First: 1, Count: 1}, Transactions: []Transaction{{Reply: make([]byte, journal.MaxRecord)}}},
		"two values": {Header: Header{Version: First, Index: 1, First: 1, Count: 1}, Transactions: []Transaction{{Effects: []mainstem.Effect{{Kind: 1, Value: mainstem.Value{Counter: true, Bytes: []byte("b")}}}}}},
	} {
		if b, err := Encode([]byte("dst"), r); err == nil || string(b) != "dst" {
			t.Errorf("%s was written: %v", name, err)
		}
	}
}

// FuzzDecode feeds any bytes, as they are and with right checksums: no panic,
// no memory beyond a small multiple of the input, and what decodes without an
// unknown or undecodable part encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	for name := range goldens() {
		f.Add(golden(f, name))
	}
	f.Add(craft(plain(1), []byte{40<<1 | must, 0}))
	f.Add(craft(append(plain(0), headCount, 5, 0xff, 0xff, 0xff, 0xff, 0x0f)))
	f.Add(craft(plain(1), append([]byte{txResults, 100}, make([]byte, 100)...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Decode(b)
		b = bytes.Clone(b)
		reseal(b)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := Decode(b)
		runtime.ReadMemStats(&after)
		// The largest multiple is a transaction of a few bytes.
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(128*len(b)+64<<10); used > most {
			t.Errorf("%d bytes allocated for %d", used, len(b))
		}
		if err != nil {
			return
		}
		again, err := Encode(nil, r)
		if err != nil {
			return // a transaction is undecodable
		}
		if once, err := Decode(again); err != nil || !reflect.DeepEqual(once, r) {
			t.Errorf("decoded %+v, and after encoding %+v, %v", r, once, err)
		}
		if len(again) == len(b) && !bytes.Equal(again, b) {
			t.Errorf("two encodings of one record:\n%x\n%x", b, again)
		}
	})
}
