package wire

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// seeded gives a fuzzer the messages, as bytes and as JSON.
func seeded(f *testing.F, all ...proto.Message) {
	f.Helper()
	for _, m := range all {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		text, err := protojson.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(text)
	}
}

// read reads a message in either form.
func read[M proto.Message](data []byte, m M) bool {
	if len(data) > 0 && data[0] == '{' {
		return protojson.Unmarshal(data, m) == nil
	}
	return proto.Unmarshal(data, m) == nil
}

// settled asks that what was accepted is written and read back as the same thing.
func settled[T any](t *testing.T, got T, again T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%+v was accepted, written, and then refused: %v", got, err)
	}
	if !reflect.DeepEqual(got, again) {
		t.Fatalf("accepted was\n%+v\nand read back\n%+v", got, again)
	}
}

func FuzzTransaction(f *testing.F) {
	floor := int64(0)
	seeded(f, Transaction(&mainstem.Transaction{
		Group: "g", ID: mainstem.ID{Opaque: "i", Born: 7}, Fingerprint: []byte{1}, Attempt: 1, Reply: []byte("r"),
		Conditions: []mainstem.Condition{mainstem.KeyEquals{Name: "k", Value: mainstem.Int(7)}, mainstem.Committed{ID: "j"}},
		Operations: []mainstem.Operation{
			mainstem.Put{Name: "k", Value: mainstem.Bytes([]byte("v")), TTL: 5},
			mainstem.Add{Name: "n", Delta: -1, Floor: &floor},
			mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: "t", Data: []byte("d")}}},
		},
	}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.Transaction
		if !read(data, &m) {
			return
		}
		got, err := ParseTransaction(&m)
		if err != nil || got.Validate() != nil {
			return
		}
		again, err := ParseTransaction(Transaction(got))
		settled(t, got, again, err)
	})
}

func FuzzRead(f *testing.F) {
	seeded(f, ViewRequest(mainstem.ViewRequest{Group: "g", At: mainstem.Within(5), ID: mainstem.ID{Opaque: "i"}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.ReadRequest
		if !read(data, &m) {
			return
		}
		got, err := ParseViewRequest(&m)
		if err != nil {
			return
		}
		again, err := ParseViewRequest(ViewRequest(got))
		settled(t, got, again, err)
		for _, one := range m.GetQueries() {
			q, err := ParseQuery(one, got.Group)
			if err != nil {
				continue
			}
			same, err := ParseQuery(Query(q), got.Group)
			settled(t, q, same, err)
		}
	})
}

func FuzzChanges(f *testing.F) {
	seeded(f, From(mainstem.From{Max: 3, Match: mainstem.Match{Groups: []string{"g"}, Kinds: []mainstem.EffectKind{mainstem.EffectPut}, EndSlot: 9}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.ChangesRequest
		if !read(data, &m) {
			return
		}
		got, err := ParseFrom(&m)
		if err != nil {
			return
		}
		again, err := ParseFrom(From(got))
		settled(t, got, again, err)
	})
}

func FuzzFollow(f *testing.F) {
	seen := mainstem.NewToken(mainstem.Mark{Position: 3})
	seeded(f, Subscription(mainstem.Subscription{Follower: "f", Match: mainstem.Match{Groups: []string{"g"}}, After: seen, Max: 3, HandOver: time.Second, Patience: time.Hour}),
		Acknowledgement(mainstem.Acknowledgement{Follower: "f", Shard: 3, Fence: 7, Token: seen}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var follow pb.FollowRequest
		if read(data, &follow) {
			if got, err := ParseSubscription(&follow); err == nil {
				again, err := ParseSubscription(Subscription(got))
				settled(t, got, again, err)
			}
		}
		var done pb.AcknowledgeRequest
		if read(data, &done) {
			if got, err := ParseAcknowledgement(&done); err == nil {
				again, err := ParseAcknowledgement(Acknowledgement(got))
				settled(t, got, again, err)
			}
		}
	})
}

// FuzzAnswers reads what a client reads.
func FuzzAnswers(f *testing.F) {
	receipt := &mainstem.Receipt{Position: 3, Results: []mainstem.Result{{Length: 1}}, Reply: []byte("r"), Token: mainstem.NewToken(mainstem.Mark{Position: 3})}
	seeded(f, Receipt(receipt, nil), ShortReceipt(receipt, nil), Answer(mainstem.Answer{Receipt: receipt, Names: []string{"n"}}),
		Batch(mainstem.Batch{Changes: []mainstem.Change{{Group: "g", Effects: []mainstem.Effect{{Kind: mainstem.EffectPut, Value: mainstem.Int(1)}}}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var answer pb.Answer
		if read(data, &answer) {
			if got, err := ParseAnswer(&answer); err == nil {
				again, err := ParseAnswer(Answer(got))
				settled(t, got, again, err)
			}
		}
		var batch pb.ChangesResponse
		if read(data, &batch) {
			if got, err := ParseBatch(&batch); err == nil {
				again, err := ParseBatch(Batch(got))
				settled(t, got, again, err)
			}
		}
		var short pb.Receipt
		if read(data, &short) {
			if got, err := ParseReceipt(&short); err == nil {
				again, err := ParseReceipt(ShortReceipt(got, nil))
				settled(t, got, again, err)
			}
		}
		var failure pb.Error
		if read(data, &failure) && ParseError(&failure, mainstem.Unavailable).Code == 0 {
			t.Error("an error without a code")
		}
	})
}
