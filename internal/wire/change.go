package wire

import (
	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// From is f as a message.
func From(f mainstem.From) *pb.ChangesRequest {
	m := &pb.Match{
		Groups: f.Match.Groups, GroupPrefix: f.Match.GroupPrefix, NamePrefix: f.Match.NamePrefix,
		FirstSlot: uint32(f.Match.FirstSlot), EndSlot: uint32(f.Match.EndSlot),
	}
	for _, k := range f.Match.Kinds {
		m.Kinds = append(m.Kinds, pb.EffectKind(k))
	}
	return &pb.ChangesRequest{After: f.After.String(), Match: m, Max: int32(min(f.Max, 1<<31-1)), Drain: f.Drain}
}

// ParseFrom reads a message.
func ParseFrom(m *pb.ChangesRequest) (f mainstem.From, err error) {
	if f.After, err = mainstem.ParseToken(m.GetAfter()); err != nil {
		return f, err
	}
	match := m.GetMatch()
	if match.GetFirstSlot() > mainstem.Slots || match.GetEndSlot() > mainstem.Slots {
		return f, mainstem.Errorf(mainstem.Invalid, "slots [%d, %d): there are %d", match.GetFirstSlot(), match.GetEndSlot(), mainstem.Slots)
	}
	f.Max, f.Drain = int(m.GetMax()), m.GetDrain()
	f.Match = mainstem.Match{
		Groups: match.GetGroups(), GroupPrefix: match.GetGroupPrefix(), NamePrefix: match.GetNamePrefix(),
		FirstSlot: uint16(match.GetFirstSlot()), EndSlot: uint16(match.GetEndSlot()),
	}
	for _, k := range match.GetKinds() {
		kind, err := parseKind(k)
		if err != nil {
			return f, err
		}
		f.Match.Kinds = append(f.Match.Kinds, kind)
	}
	return f, f.Validate()
}

// parseKind reads a kind. The numbers of the contract are those of the record.
func parseKind(k pb.EffectKind) (mainstem.EffectKind, error) {
	if _, known := pb.EffectKind_name[int32(k)]; !known || k == pb.EffectKind_EFFECT_KIND_UNSPECIFIED {
		return 0, mainstem.Errorf(mainstem.Invalid, "kind of effect %d is none that this program knows", k)
	}
	return mainstem.EffectKind(k), nil
}

// Batch is b as a message.
func Batch(b mainstem.Batch) *pb.ChangesResponse {
	m := &pb.ChangesResponse{Partition: int32(b.Partition), Token: b.Token.String(), Head: uint64(b.Head)}
	if len(b.Changes) == 0 {
		return m
	}
	// One piece of memory for all changes, and one for their effects, live and die as one.
	n := 0
	for i := range b.Changes {
		n += len(b.Changes[i].Effects)
	}
	changes, effects := make([]pb.Change, len(b.Changes)), make([]pb.Effect, n)
	m.Changes = make([]*pb.Change, len(b.Changes))
	var last mainstem.Incarnation // of most changes it is that of the one before
	text := hex(last)
	for i := range b.Changes {
		c := &b.Changes[i]
		if c.Incarnation != last {
			last, text = c.Incarnation, hex(c.Incarnation)
		}
		m.Changes[i] = &changes[i]
		setChange(m.Changes[i], c, text, effects[:len(c.Effects)])
		effects = effects[len(c.Effects):]
	}
	return m
}

// ParseBatch reads a message.
func ParseBatch(m *pb.ChangesResponse) (b mainstem.Batch, err error) {
	b.Partition, b.Head = int(m.GetPartition()), mainstem.Position(m.GetHead())
	if b.Token, err = mainstem.ParseToken(m.GetToken()); err != nil {
		return b, err
	}
	if n := len(m.GetChanges()); n > 0 {
		b.Changes = make([]mainstem.Change, n)
	}
	var last mainstem.Incarnation
	text := ""
	for i, c := range m.GetChanges() {
		if c.GetIncarnation() != text {
			text = c.GetIncarnation()
			if last, err = incarnation(text); err != nil {
				return b, err
			}
		}
		if err := parseChange(c, last, &b.Changes[i]); err != nil {
			return b, err
		}
	}
	return b, nil
}

func setChange(m *pb.Change, c *mainstem.Change, incarnation string, effects []pb.Effect) {
	m.Partition, m.Position, m.Incarnation, m.Group = int32(c.Partition), uint64(c.Position), incarnation, c.Group
	m.Id, m.Born, m.Low = c.ID.String(), int64(c.ID.Born), c.ID.Low
	m.Refused, m.Age, m.Wall = c.Refused, int64(c.Age), stamp(c.Wall)
	m.Actor, m.Request, m.Trace = c.Meta.Actor, c.Meta.Request, c.Meta.Trace
	m.Effects = make([]*pb.Effect, len(c.Effects))
	if reply, ok := text(c.Reply); ok && c.Reply != nil {
		m.Answer = &pb.Change_Reply{Reply: reply}
	} else if c.Reply != nil {
		m.Answer = &pb.Change_ReplyBase64{ReplyBase64: c.Reply}
	}
	for i := range c.Effects {
		m.Effects[i] = &effects[i]
		setEffect(m.Effects[i], &c.Effects[i])
	}
}

func parseChange(m *pb.Change, in mainstem.Incarnation, c *mainstem.Change) (err error) {
	*c = mainstem.Change{
		Partition: int(m.GetPartition()), Position: mainstem.Position(m.GetPosition()), Incarnation: in, Group: m.GetGroup(),
		Refused: m.GetRefused(), Age: mainstem.LogAge(m.GetAge()), Wall: wall(m.GetWall()),
		Meta: mainstem.Meta{Actor: m.GetActor(), Request: m.GetRequest(), Trace: m.GetTrace()},
	}
	if c.ID, err = identity(m.GetId(), m.GetBorn(), m.GetLow()); err != nil {
		return err
	}
	switch a := m.GetAnswer().(type) {
	case *pb.Change_Reply:
		c.Reply = []byte(a.Reply)
	case *pb.Change_ReplyBase64:
		c.Reply = some(a.ReplyBase64)
	}
	if n := len(m.GetEffects()); n > 0 {
		c.Effects = make([]mainstem.Effect, n)
	}
	for i, e := range m.GetEffects() {
		if err := parseEffect(e, &c.Effects[i]); err != nil {
			return err
		}
	}
	return nil
}

func setEffect(m *pb.Effect, e *mainstem.Effect) {
	m.Kind, m.Name, m.Delta, m.First = pb.EffectKind(e.Kind), e.Name, e.Delta, e.First
	m.Token, m.Owner, m.Until = uint64(e.Token), e.Owner, int64(e.Until)
	switch value, ok := text(e.Value.Bytes); {
	case e.Value.Counter:
		m.Held = &pb.Effect_Counter{Counter: e.Value.Int}
	case e.Value.Bytes == nil:
	case ok:
		m.Held = &pb.Effect_Value{Value: value}
	default:
		m.Held = &pb.Effect_ValueBase64{ValueBase64: e.Value.Bytes}
	}
	for _, one := range e.Events {
		m.Events = append(m.Events, event(one))
	}
}

func parseEffect(m *pb.Effect, e *mainstem.Effect) (err error) {
	*e = mainstem.Effect{
		Name: m.GetName(), Delta: m.GetDelta(), First: m.GetFirst(),
		Token: mainstem.FencingToken(m.GetToken()), Owner: m.GetOwner(), Until: mainstem.LogAge(m.GetUntil()),
	}
	if e.Kind, err = parseKind(m.GetKind()); err != nil {
		return err
	}
	switch h := m.GetHeld().(type) {
	case *pb.Effect_Value:
		e.Value = mainstem.Bytes([]byte(h.Value))
	case *pb.Effect_ValueBase64:
		e.Value = mainstem.Bytes(some(h.ValueBase64))
	case *pb.Effect_Counter:
		e.Value = mainstem.Int(h.Counter)
	}
	for _, one := range m.GetEvents() {
		e.Events = append(e.Events, parseEvent(one))
	}
	return nil
}
