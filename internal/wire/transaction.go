package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Transaction is t as a message. It shares t's bytes.
func Transaction(t *mainstem.Transaction) *pb.Transaction {
	m := &pb.Transaction{
		Group: t.Group, Id: t.ID.Opaque, Born: int64(t.ID.Born), Low: t.ID.Low, Number: t.ID.Number,
		Attempt: t.Attempt, Deadline: int64(t.Deadline), Refused: t.Refused,
		Actor: t.Meta.Actor, Request: t.Meta.Request, Trace: t.Meta.Trace,
		Conditions: make([]*pb.Condition, len(t.Conditions)), Operations: make([]*pb.Operation, len(t.Operations)),
	}
	if t.ID.Number != 0 {
		m.Session = t.ID.Session[:]
	}
	if t.Fingerprint != nil {
		m.Print = &pb.Transaction_FingerprintBase64{FingerprintBase64: t.Fingerprint}
	}
	if t.Reply != nil {
		m.Answer = &pb.Transaction_ReplyBase64{ReplyBase64: t.Reply}
	}
	for i, c := range t.Conditions {
		m.Conditions[i] = condition(c)
	}
	for i, o := range t.Operations {
		m.Operations[i] = operation(o)
	}
	return m
}

// ParseTransaction reads a message. The transaction is marked as Networked: this
// copy of it may be late, or one of several (L11).
func ParseTransaction(m *pb.Transaction) (*mainstem.Transaction, error) {
	id, err := transactionID(m)
	if err != nil {
		return nil, err
	}
	t := &mainstem.Transaction{
		Group: m.GetGroup(), ID: id, Attempt: m.GetAttempt(), Networked: true, Deadline: mainstem.LogAge(m.GetDeadline()),
		Refused: m.GetRefused(), Meta: mainstem.Meta{Actor: m.GetActor(), Request: m.GetRequest(), Trace: m.GetTrace()},
	}
	switch p := m.GetPrint().(type) {
	case *pb.Transaction_Fingerprint:
		t.Fingerprint = []byte(p.Fingerprint)
	case *pb.Transaction_FingerprintBase64:
		t.Fingerprint = some(p.FingerprintBase64)
	}
	switch a := m.GetAnswer().(type) {
	case *pb.Transaction_Reply:
		t.Reply = []byte(a.Reply)
	case *pb.Transaction_ReplyBase64:
		t.Reply = some(a.ReplyBase64)
	}
	if n := len(m.GetConditions()) + len(m.GetOperations()); n > mainstem.LimitOperations {
		return nil, mainstem.Errorf(mainstem.TooLarge, "%d conditions and operations; the limit is %d", n, mainstem.LimitOperations)
	}
	for i, c := range m.GetConditions() {
		parsed, err := parseCondition(c)
		if err != nil {
			return nil, numbered(err, i+1)
		}
		t.Conditions = append(t.Conditions, parsed)
	}
	for i, o := range m.GetOperations() {
		parsed, err := parseOperation(o)
		if err != nil {
			return nil, numbered(err, len(m.GetConditions())+i+1)
		}
		t.Operations = append(t.Operations, parsed)
	}
	return t, nil
}

// transactionID reads an ID, which is text or the two parts of a library-made one.
func transactionID(m *pb.Transaction) (mainstem.ID, error) {
	if m.GetNumber() == 0 && m.GetSession() == nil {
		return identity(m.GetId(), m.GetBorn(), m.GetLow())
	}
	id := mainstem.ID{Opaque: m.GetId(), Born: mainstem.LogAge(m.GetBorn()), Number: m.GetNumber(), Low: m.GetLow()}
	if len(m.GetSession()) != len(id.Session) || id.Number == 0 {
		return id, mainstem.Errorf(mainstem.Invalid, "a library-made ID is a session of %d bytes and a number from 1", len(id.Session))
	}
	copy(id.Session[:], m.GetSession())
	return id, id.Validate()
}

// numbered says which condition or operation an error is about.
func numbered(err *mainstem.Error, n int) *mainstem.Error {
	err.Condition = n
	return err
}

func condition(c mainstem.Condition) *pb.Condition {
	switch c := c.(type) {
	case mainstem.KeyAbsent:
		return &pb.Condition{Condition: &pb.Condition_KeyAbsent{KeyAbsent: &pb.Named{Name: c.Name}}}
	case mainstem.KeyUnchanged:
		return &pb.Condition{Condition: &pb.Condition_KeyUnchanged{KeyUnchanged: &pb.KeyUnchanged{Name: c.Name, Since: uint64(c.Since)}}}
	case mainstem.KeyEquals:
		m := &pb.KeyEquals{Name: c.Name}
		if c.Value.Counter {
			m.Held = &pb.KeyEquals_Counter{Counter: c.Value.Int}
		} else {
			m.Held = &pb.KeyEquals_ValueBase64{ValueBase64: c.Value.Bytes}
		}
		return &pb.Condition{Condition: &pb.Condition_KeyEquals{KeyEquals: m}}
	case mainstem.StreamLength:
		return &pb.Condition{Condition: &pb.Condition_StreamLength{StreamLength: &pb.StreamLength{Stream: c.Stream, Length: c.Length}}}
	case mainstem.RangeUnchanged:
		return &pb.Condition{Condition: &pb.Condition_RangeUnchanged{RangeUnchanged: &pb.RangeUnchanged{From: c.From, To: c.To, Since: uint64(c.Since)}}}
	case mainstem.StreamsUnchanged:
		return &pb.Condition{Condition: &pb.Condition_StreamsUnchanged{StreamsUnchanged: &pb.RangeUnchanged{From: c.From, To: c.To, Since: uint64(c.Since)}}}
	case mainstem.LeaseHeld:
		return &pb.Condition{Condition: &pb.Condition_LeaseHeld{LeaseHeld: &pb.LeaseToken{Lease: c.Lease, Token: uint64(c.Token)}}}
	case mainstem.Committed:
		return &pb.Condition{Condition: &pb.Condition_Committed{Committed: &pb.IdName{Id: c.ID}}}
	default: // the set is closed; Validate refuses nil before this
		return &pb.Condition{}
	}
}

func parseCondition(m *pb.Condition) (mainstem.Condition, *mainstem.Error) {
	switch c := m.GetCondition().(type) {
	case *pb.Condition_KeyAbsent:
		return mainstem.KeyAbsent{Name: c.KeyAbsent.GetName()}, nil
	case *pb.Condition_KeyUnchanged:
		return mainstem.KeyUnchanged{Name: c.KeyUnchanged.GetName(), Since: mainstem.Position(c.KeyUnchanged.GetSince())}, nil
	case *pb.Condition_KeyEquals:
		v, err := parseHeld(c.KeyEquals.GetHeld())
		return mainstem.KeyEquals{Name: c.KeyEquals.GetName(), Value: v}, err
	case *pb.Condition_StreamLength:
		return mainstem.StreamLength{Stream: c.StreamLength.GetStream(), Length: c.StreamLength.GetLength()}, nil
	case *pb.Condition_RangeUnchanged:
		r := c.RangeUnchanged
		return mainstem.RangeUnchanged{From: r.GetFrom(), To: r.GetTo(), Since: mainstem.Position(r.GetSince())}, nil
	case *pb.Condition_StreamsUnchanged:
		r := c.StreamsUnchanged
		return mainstem.StreamsUnchanged{From: r.GetFrom(), To: r.GetTo(), Since: mainstem.Position(r.GetSince())}, nil
	case *pb.Condition_LeaseHeld:
		return mainstem.LeaseHeld{Lease: c.LeaseHeld.GetLease(), Token: mainstem.FencingToken(c.LeaseHeld.GetToken())}, nil
	case *pb.Condition_Committed:
		return mainstem.Committed{ID: c.Committed.GetId()}, nil
	default:
		return nil, mainstem.Errorf(mainstem.Invalid, "a condition without content, or of a kind that this program does not know")
	}
}

func operation(o mainstem.Operation) *pb.Operation {
	switch o := o.(type) {
	case mainstem.Put:
		m := &pb.Put{Name: o.Name, Ttl: ttl(o.TTL)}
		if o.Value.Counter {
			m.Held = &pb.Put_Counter{Counter: o.Value.Int}
		} else {
			m.Held = &pb.Put_ValueBase64{ValueBase64: o.Value.Bytes}
		}
		return &pb.Operation{Operation: &pb.Operation_Put{Put: m}}
	case mainstem.Delete:
		return &pb.Operation{Operation: &pb.Operation_Delete{Delete: &pb.Named{Name: o.Name}}}
	case mainstem.Add:
		return &pb.Operation{Operation: &pb.Operation_Add{Add: &pb.Add{Name: o.Name, Delta: o.Delta, Floor: o.Floor, Ceiling: o.Ceiling}}}
	case mainstem.Append:
		m := &pb.Append{Stream: o.Stream, Events: make([]*pb.Event, len(o.Events))}
		for i, e := range o.Events {
			m.Events[i] = &pb.Event{Type: e.Type, Content: &pb.Event_DataBase64{DataBase64: e.Data}}
		}
		return &pb.Operation{Operation: &pb.Operation_Append{Append: m}}
	case mainstem.Acquire:
		return &pb.Operation{Operation: &pb.Operation_Acquire{Acquire: &pb.Acquire{Lease: o.Lease, Owner: o.Owner, Ttl: ttl(o.TTL)}}}
	case mainstem.Renew:
		return &pb.Operation{Operation: &pb.Operation_Renew{Renew: &pb.Renew{Lease: o.Lease, Token: uint64(o.Token), Ttl: ttl(o.TTL)}}}
	case mainstem.Release:
		return &pb.Operation{Operation: &pb.Operation_Release{Release: &pb.LeaseToken{Lease: o.Lease, Token: uint64(o.Token)}}}
	case mainstem.Emit:
		m := &pb.Emit{Topic: o.Topic, Type: o.Event.Type, Content: &pb.Emit_DataBase64{DataBase64: o.Event.Data}}
		return &pb.Operation{Operation: &pb.Operation_Emit{Emit: m}}
	case mainstem.Void:
		return &pb.Operation{Operation: &pb.Operation_Void{Void: &pb.IdName{Id: o.ID}}}
	case mainstem.Present:
		return &pb.Operation{Operation: &pb.Operation_Present{Present: &pb.LeaseToken{Lease: o.Lease, Token: uint64(o.Token)}}}
	default: // the set is closed; Validate refuses nil before this
		return &pb.Operation{}
	}
}

func parseOperation(m *pb.Operation) (mainstem.Operation, *mainstem.Error) {
	switch o := m.GetOperation().(type) {
	case *pb.Operation_Put:
		v, err := parseHeld(o.Put.GetHeld())
		if err != nil {
			return nil, err
		}
		d, err := parseTTL(o.Put.GetTtl())
		return mainstem.Put{Name: o.Put.GetName(), Value: v, TTL: d}, err
	case *pb.Operation_Delete:
		return mainstem.Delete{Name: o.Delete.GetName()}, nil
	case *pb.Operation_Add:
		return mainstem.Add{Name: o.Add.GetName(), Delta: o.Add.GetDelta(), Floor: o.Add.Floor, Ceiling: o.Add.Ceiling}, nil
	case *pb.Operation_Append:
		a := mainstem.Append{Stream: o.Append.GetStream()}
		for _, e := range o.Append.GetEvents() {
			a.Events = append(a.Events, parseEvent(e))
		}
		return a, nil
	case *pb.Operation_Acquire:
		d, err := parseTTL(o.Acquire.GetTtl())
		return mainstem.Acquire{Lease: o.Acquire.GetLease(), Owner: o.Acquire.GetOwner(), TTL: d}, err
	case *pb.Operation_Renew:
		d, err := parseTTL(o.Renew.GetTtl())
		return mainstem.Renew{Lease: o.Renew.GetLease(), Token: mainstem.FencingToken(o.Renew.GetToken()), TTL: d}, err
	case *pb.Operation_Release:
		return mainstem.Release{Lease: o.Release.GetLease(), Token: mainstem.FencingToken(o.Release.GetToken())}, nil
	case *pb.Operation_Emit:
		e := mainstem.Event{Type: o.Emit.GetType()}
		switch c := o.Emit.GetContent().(type) {
		case *pb.Emit_Data:
			e.Data = []byte(c.Data)
		case *pb.Emit_DataBase64:
			e.Data = c.DataBase64
		}
		return mainstem.Emit{Topic: o.Emit.GetTopic(), Event: e}, nil
	case *pb.Operation_Void:
		return mainstem.Void{ID: o.Void.GetId()}, nil
	case *pb.Operation_Present:
		return mainstem.Present{Lease: o.Present.GetLease(), Token: mainstem.FencingToken(o.Present.GetToken())}, nil
	default:
		return nil, mainstem.Errorf(mainstem.Invalid, "an operation without content, or of a kind that this program does not know")
	}
}

func parseEvent(m *pb.Event) mainstem.Event {
	e := mainstem.Event{Type: m.GetType()}
	switch c := m.GetContent().(type) {
	case *pb.Event_Data:
		e.Data = []byte(c.Data)
	case *pb.Event_DataBase64:
		e.Data = c.DataBase64
	}
	return e
}

// parseHeld reads the value of a put, a condition, a version or an effect.
func parseHeld(held any) (mainstem.Value, *mainstem.Error) {
	switch h := held.(type) {
	case *pb.Put_Value:
		return mainstem.Bytes([]byte(h.Value)), nil
	case *pb.Put_ValueBase64:
		return mainstem.Bytes(h.ValueBase64), nil
	case *pb.Put_Counter:
		return mainstem.Int(h.Counter), nil
	case *pb.KeyEquals_Value:
		return mainstem.Bytes([]byte(h.Value)), nil
	case *pb.KeyEquals_ValueBase64:
		return mainstem.Bytes(h.ValueBase64), nil
	case *pb.KeyEquals_Counter:
		return mainstem.Int(h.Counter), nil
	default:
		return mainstem.Value{}, mainstem.Errorf(mainstem.Invalid, "needs one of value, value_base64, counter")
	}
}

func ttl(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func parseTTL(d *durationpb.Duration) (time.Duration, *mainstem.Error) {
	if d == nil {
		return 0, nil
	}
	parsed := d.AsDuration()
	if d.CheckValid() != nil || !equal(durationpb.New(parsed), d) { // AsDuration saturates
		return 0, mainstem.Errorf(mainstem.Invalid, "ttl of %d seconds is outside what a duration holds", d.GetSeconds())
	}
	return parsed, nil
}

func equal(a, b *durationpb.Duration) bool { return a.Seconds == b.Seconds && a.Nanos == b.Nanos }
