package access

import "github.com/mainstemdb/mainstem"

// lacks is the first right that a transaction needs and the scope does not have,
// and the number of the condition or operation that needs it; 0 for the ID.
func (s scope) lacks(t *mainstem.Transaction) (right Right, condition int) {
	if !s.id(Write, t.ID) {
		return Write, 0
	}
	for i, c := range t.Conditions {
		if !s.condition(c) {
			return Read, i + 1
		}
	}
	for i, o := range t.Operations {
		if !s.operation(o) {
			return Write, len(t.Conditions) + i + 1
		}
	}
	return 0, 0
}

// condition reports whether what a condition tells may be known: that it held,
// or that it did not. One that has no rule here is refused.
func (s scope) condition(c mainstem.Condition) bool {
	switch c := c.(type) {
	case mainstem.KeyAbsent:
		return s.name(Read, c.Name)
	case mainstem.KeyUnchanged:
		return s.name(Read, c.Name)
	case mainstem.KeyEquals:
		return s.name(Read, c.Name)
	case mainstem.StreamLength:
		return s.name(Read, c.Stream)
	case mainstem.RangeUnchanged:
		return s.span(Read, c.From, c.To)
	case mainstem.StreamsUnchanged:
		return s.span(Read, c.From, c.To)
	case mainstem.LeaseHeld:
		return s.name(Read, c.Lease)
	case mainstem.Committed:
		return s.name(Read, c.ID)
	default:
		return false
	}
}

// operation reports whether an operation may be asked for. What comes of it,
// in the receipt or as its own refusal, is part of the right: a counter's value
// after adding, a stream's length, a lease's holder. One that has no rule here is
// refused.
func (s scope) operation(o mainstem.Operation) bool {
	switch o := o.(type) {
	case mainstem.Put:
		return s.name(Write, o.Name)
	case mainstem.Delete:
		return s.name(Write, o.Name)
	case mainstem.Add:
		return s.name(Write, o.Name)
	case mainstem.Append:
		return s.name(Write, o.Stream)
	case mainstem.Acquire:
		return s.name(Write, o.Lease)
	case mainstem.Renew:
		return s.name(Write, o.Lease)
	case mainstem.Release:
		return s.name(Write, o.Lease)
	case mainstem.Emit:
		return s.name(Write, o.Topic)
	case mainstem.Void:
		return s.name(Write, o.ID)
	case mainstem.Present:
		return s.name(Write, o.Lease)
	default:
		return false
	}
}
