package wire

import (
	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Answer is a as a message.
func Answer(a mainstem.Answer) *pb.Answer {
	m := &pb.Answer{Length: a.Length, Names: a.Names, Receipt: Receipt(a.Receipt, nil), More: a.More}
	for i := range a.Versions {
		m.Versions = append(m.Versions, version(&a.Versions[i]))
	}
	for _, e := range a.Events {
		m.Events = append(m.Events, &pb.Recorded{Event: event(e.Event), Number: e.Number, Position: uint64(e.Position)})
	}
	if a.Lease != (mainstem.Lease{}) {
		l := a.Lease
		m.Lease = &pb.Lease{Owner: l.Owner, Token: uint64(l.Token), Until: int64(l.Until), Released: l.Released}
	}
	return m
}

// ParseAnswer reads a message.
func ParseAnswer(m *pb.Answer) (mainstem.Answer, error) {
	receipt, err := ParseReceipt(m.GetReceipt())
	if err != nil {
		return mainstem.Answer{}, err
	}
	a := mainstem.Answer{Length: m.GetLength(), Names: m.GetNames(), Receipt: receipt, More: m.GetMore()}
	for _, v := range m.GetVersions() {
		a.Versions = append(a.Versions, parseVersion(v))
	}
	for _, e := range m.GetEvents() {
		a.Events = append(a.Events, mainstem.Recorded{
			Event: parseEvent(e.GetEvent()), Number: e.GetNumber(), Position: mainstem.Position(e.GetPosition()),
		})
	}
	if l := m.GetLease(); l != nil {
		a.Lease = mainstem.Lease{
			Owner: l.GetOwner(), Token: mainstem.FencingToken(l.GetToken()), Until: mainstem.LogAge(l.GetUntil()), Released: l.GetReleased(),
		}
	}
	return a, nil
}

func version(v *mainstem.Version) *pb.Version {
	m := &pb.Version{Name: v.Name, Exists: v.Exists, Position: uint64(v.Position), Until: int64(v.Until)}
	switch value, ok := text(v.Value.Bytes); {
	case v.Value.Counter:
		m.Held = &pb.Version_Counter{Counter: v.Value.Int}
	case v.Value.Bytes == nil:
	case ok:
		m.Held = &pb.Version_Value{Value: value}
	default:
		m.Held = &pb.Version_ValueBase64{ValueBase64: v.Value.Bytes}
	}
	return m
}

func parseVersion(m *pb.Version) mainstem.Version {
	v := mainstem.Version{
		Name: m.GetName(), Exists: m.GetExists(), Position: mainstem.Position(m.GetPosition()), Until: mainstem.LogAge(m.GetUntil()),
	}
	switch h := m.GetHeld().(type) {
	case *pb.Version_Value:
		v.Value = mainstem.Bytes([]byte(h.Value))
	case *pb.Version_ValueBase64:
		v.Value = mainstem.Bytes(some(h.ValueBase64))
	case *pb.Version_Counter:
		v.Value = mainstem.Int(h.Counter)
	}
	return v
}

// event is an event with its content as text where it is text.
func event(e mainstem.Event) *pb.Event {
	m := &pb.Event{Type: e.Type}
	switch data, ok := text(e.Data); {
	case e.Data == nil:
	case ok:
		m.Content = &pb.Event_Data{Data: data}
	default:
		m.Content = &pb.Event_DataBase64{DataBase64: e.Data}
	}
	return m
}
