package record

import (
	"testing"

	"github.com/mainstemdb/mainstem"
)

// Figures of one goroutine over records of 200 transactions, each a purchase:
// a counter, an order and an event. Run:
//
//	go test -run - -bench . -cpu 1 ./internal/record

func purchases(n int) *Record {
	r := &Record{Header: Header{Version: First, Index: 7, First: 1000, Count: uint32(n), Age: 60e9, Wall: 1_700_000_000_000_000_000, Node: "db-0"}}
	for range n {
		r.Transactions = append(r.Transactions, Transaction{
			Group: "item-42", ID: mainstem.ID{Opaque: "order-1234567"}, Attempt: 1,
			Effects: []mainstem.Effect{
				{Kind: mainstem.EffectAdd, Name: "stock", Value: mainstem.Int(41), Delta: -1},
				{Kind: mainstem.EffectPut, Name: "order/1234567", Value: mainstem.Bytes(make([]byte, 60))},
				{Kind: mainstem.EffectAppend, Name: "orders", First: 9, Events: []mainstem.Event{{Type: "placed", Data: make([]byte, 60)}}},
			},
			Results: []mainstem.Result{{Counter: 41}, {}, {Length: 9}},
			Reply:   []byte("41"), Meta: mainstem.Meta{Actor: "anna"},
		})
	}
	return r
}

const perRecord = 200

func BenchmarkEncode(b *testing.B) {
	r := purchases(perRecord)
	var dst []byte
	b.ReportAllocs()
	for range b.N {
		var err error
		if dst, err = Encode(dst[:0], r); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
	b.ReportMetric(float64(b.N)*perRecord/b.Elapsed().Seconds(), "tx/s")
}

func BenchmarkDecode(b *testing.B) {
	data, err := Encode(nil, purchases(perRecord))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for range b.N {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*perRecord/b.Elapsed().Seconds(), "tx/s")
}

// TestEncodeAllocates nothing once dst is large enough: it is on the path of
// every write.
func TestEncodeAllocates(t *testing.T) {
	r := purchases(perRecord)
	dst, err := Encode(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() { dst, _ = Encode(dst[:0], r) }); n != 0 {
		t.Errorf("Encode allocates %.0f times", n)
	}
}
