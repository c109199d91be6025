package record

import (
	"bytes"
	"reflect"
	"testing"

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
		r.Genesis, r.Settings = nil, nil
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
