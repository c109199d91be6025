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
	m := receipt(r, operations)
	m.Token = r.Token.String()
	return m
}

// ShortReceipt is Receipt for clients that make the token themselves, where it has
// seen this transaction and nothing else.
func ShortReceipt(r *mainstem.Receipt, operations []mainstem.Operation) *pb.Receipt {
	m := receipt(r, operations)
	marks := r.Token.Marks()
	if len(marks) != 1 || marks[0] != (mainstem.Mark{Partition: r.Partition, Incarnation: r.Incarnation, Position: r.Position, Hash: marks[0].Hash}) {
		m.Token = r.Token.String()
		return m
	}
	m.Hash = &marks[0].Hash
	return m
}

func receipt(r *mainstem.Receipt, operations []mainstem.Operation) *pb.Receipt {
	m := &pb.Receipt{
		Partition: int32(r.Partition), Position: uint64(r.Position), Incarnation: hex(r.Incarnation), Age: int64(r.Age),
		Wall: stamp(r.Wall), Results: make([]*pb.Result, len(r.Results)), Refused: r.Refused, Replayed: r.Replayed,
		Weak: r.Weak,
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
	if m.Hash != nil {
		token = mainstem.NewToken(mainstem.Mark{
			Partition: int(m.GetPartition()), Incarnation: i, Position: mainstem.Position(m.GetPosition()), Hash: m.GetHash(),
		})
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
