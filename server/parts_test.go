package server

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// TestPartsAreBounded: as many parts as the limit are taken, and one more is not, in both
// encodings and at any depth, before anything is made of them.
func TestPartsAreBounded(t *testing.T) {
	const operation, text = "\x52\x00", "\x0a\x00" // a field of Transaction, and of Match
	within := func(field byte, body string) string {
		return string(append([]byte{field}, varint(len(body))...)) + body
	}
	for _, c := range []struct {
		what string
		into proto.Message
		make func(parts int) string
		json bool
	}{
		{"operations", &pb.Transaction{}, func(n int) string { return strings.Repeat(operation, n) }, false},
		{"operations of one transaction", &pb.CommitRequest{}, func(n int) string { return within('\x0a', strings.Repeat(operation, n-1)) }, false},
		{"submissions", &pb.SubmitRequest{}, func(n int) string { return strings.Repeat("\x0a\x02\x12\x00", n/2) + strings.Repeat("\x0a\x00", n%2) }, false},
		{"texts", &pb.Match{}, func(n int) string { return strings.Repeat(text, n) }, false},
		{"objects", &pb.Transaction{}, func(n int) string { return `{"operations":[{}` + strings.Repeat(",{}", n-2) + "]}" }, true},
	} {
		read := packed{}.Unmarshal
		if c.json {
			read = readable{}.Unmarshal
		}
		if err := read([]byte(c.make(LimitParts)), c.into); errors.Is(err, errParts) || err != nil && !c.json {
			t.Errorf("%s: as many as the limit: %v", c.what, err)
		}
		if err := read([]byte(c.make(LimitParts+1)), c.into); !errors.Is(err, errParts) {
			t.Errorf("%s: one more than the limit: %v", c.what, err)
		}
		large := []byte(c.make(LimitMessage / 4))
		if n := testing.AllocsPerRun(1, func() { _ = read(large, c.into) }); n > 100 { // it is refused, as before
			t.Errorf("%s: %.0f allocations for what is refused", c.what, n)
		}
	}
	if n := jsonParts([]byte(`{"a": "{{\"{", "b": [{}, {"c": "\\"}]}`)); n != 3 {
		t.Errorf("%d objects, want 3", n)
	}
}

func varint(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// TestPackedIsTheLibrarys: the codec writes what the library writes.
func TestPackedIsTheLibrarys(t *testing.T) {
	m := &pb.Transaction{Group: "g", Id: "i", Operations: []*pb.Operation{{}}}
	want, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := packed{}.Marshal(m)
	behind, failed := packed{}.MarshalAppend([]byte("x"), m)
	if err != nil || failed != nil || !bytes.Equal(got, want) || !bytes.Equal(behind[1:], want) {
		t.Errorf("%x, %x, %v, %v; want %x", got, behind, err, failed, want)
	}
	if err := (packed{}).Unmarshal(got, 3); !errors.Is(err, errNotProto) {
		t.Errorf("%v", err)
	}
}
