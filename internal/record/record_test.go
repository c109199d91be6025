package record

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/mainstemdb/mainstem"
	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		prefix := []byte("before")
		b, err := Encode(prefix, r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("Encode changed what was in dst")
		}
		b = b[len(prefix):]
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("decoded\n%+v\nfrom\n%+v", got, r)
		}
		again, err := Encode(nil, got)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("encoded again: %x, %v; was %x", again, err, b)
		}
		h, err := Peek(b)
		if err != nil || !reflect.DeepEqual(*h, r.Header) {
			t.Fatalf("peeked %+v, %v; want %+v", h, err, r.Header)
		}
	})
}

func TestBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		r.Genesis, r.Settings, r.Prepare, r.Moved = nil, nil, nil, nil
		bound := HeaderBound
		for i := range r.Refusals {
			bound += r.Refusals[i].Bound()
		}
		for i := range r.Transactions {
			bound += r.Transactions[i].Bound()
		}
		b, err := Encode(nil, r)
		if err != nil || len(b) > bound {
			t.Fatalf("%d bytes are above the bound of %d; %v", len(b), bound, err)
		}
	})
}

// TestBoundOfLargest holds each bound alone against what costs most beside its
// content, many times over, so that no other bound makes up for it.
func TestBoundOfLargest(t *testing.T) {
	most := mainstem.Effect{
		Kind: mainstem.EffectPut, Name: "n", Value: mainstem.Int(math.MinInt64), Delta: math.MinInt64,
		First: math.MaxUint64, Token: math.MaxUint64, Owner: "o", Until: math.MinInt64,
	}
	id := mainstem.ID{Session: mainstem.SessionID{1}, Number: math.MaxUint64, Low: math.MaxUint64, Opaque: "i", Born: math.MinInt64}
	const many = 1000
	for name, tx := range map[string]Transaction{
		"transaction": {Group: "g", ID: id, Attempt: math.MaxUint32, Fingerprint: []byte{1}, Reply: []byte{1}, Refused: true, Meta: mainstem.Meta{Actor: "a", Request: "r", Trace: "t"}, Later: math.MaxInt64},
		"effects":     {Effects: slices.Repeat([]mainstem.Effect{most}, many)},
		"results":     {Results: slices.Repeat([]mainstem.Result{{Counter: math.MinInt64, Length: math.MaxUint64, Token: math.MaxUint64}}, many)},
		"events":      {Effects: []mainstem.Effect{{Kind: mainstem.EffectAppend, Events: slices.Repeat([]mainstem.Event{{Type: "t", Data: []byte{1}}}, many)}}},
	} {
		if got := sizeSize + len(appendTransaction(nil, &tx)); got > tx.Bound() {
			t.Errorf("%s: %d bytes are above the bound of %d", name, got, tx.Bound())
		}
	}
	refusals := slices.Repeat([]Refusal{{Group: "g", ID: id, Attempt: math.MaxUint32}}, many)
	bound := many * refusals[0].Bound()
	if got := len(putList(nil, headRefusals, refusals, appendRefusal)); got > bound {
		t.Errorf("refusals: %d bytes are above the bound of %d", got, bound)
	}
}
