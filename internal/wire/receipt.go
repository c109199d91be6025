package wire

import (
	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Receipt is r as a message, or nil. With operations, which may be nil, a counter
// that is 0 is shown as well.
func Receipt(r *mainstem.Receipt, operations []mainstem.Operation) *pb.Receipt {
	if r == nil {
		return nil
	}
	m := &pb.Receipt{
		Partition: int32(r.Partition), Position: uint64(r.Position), Incarnation: hex(r.Incarnation), Age: int64(r.Age),
		Wall: stamp(r.Wall), Results: make([]*pb.Result, len(r.Results)), Refused: r.Refused, Replayed: r.Replayed,
		Token: r.Token.String(), Weak: r.Weak,
	}
	results := make([]pb.Result, len(r.Results))
	for i, one := range r.Results {
		m.Results[i] = &results[i]
		results[i].Length, results[i].Token = one.Length, uint64(one.Token)
		if one.Counter != 0 || adds(operations, i) {
			results[i].Counter = &r.Results[i].Counter
		}
	}
	if reply, ok := text(r.Reply); ok && r.Reply != nil {
		m.Answer = &pb.Receipt_Reply{Reply: reply}
	} else if r.Reply != nil {
		m.Answer = &pb.Receipt_ReplyBase64{ReplyBase64: r.Reply}
	}
	return m
}

func adds(operations []mainstem.Operation, i int) bool {
	if i >= len(operations) {
		return false
	}
	_, is := operations[i].(mainstem.Add)
	return is
}

// ParseReceipt reads a message; nil stays nil.
func ParseReceipt(m *pb.Receipt) (*mainstem.Receipt, error) {
	if m == nil {
		return nil, nil
	}
	i, err := incarnation(m.GetIncarnation())
	if err != nil {
		return nil, err
	}
	token, err := mainstem.ParseToken(m.GetToken())
	if err != nil {
		return nil, err
	}
	r := &mainstem.Receipt{
		Partition: int(m.GetPartition()), Position: mainstem.Position(m.GetPosition()), Incarnation: i, Age: mainstem.LogAge(m.GetAge()),
		Wall: wall(m.GetWall()), Results: make([]mainstem.Result, len(m.GetResults())), Refused: m.GetRefused(), Replayed: m.GetReplayed(),
		Token: token, Weak: m.GetWeak(),
	}
	for i, one := range m.GetResults() {
		r.Results[i] = mainstem.Result{Counter: one.GetCounter(), Length: one.GetLength(), Token: mainstem.FencingToken(one.GetToken())}
	}
	switch a := m.GetAnswer().(type) {
	case *pb.Receipt_Reply:
		r.Reply = []byte(a.Reply)
	case *pb.Receipt_ReplyBase64:
		r.Reply = some(a.ReplyBase64)
	}
	return r, nil
}
