package mainstem

import (
	"time"
	"unicode/utf8"
)

// measure adds up the bytes of a transaction while checking each part.
type measure struct {
	bytes   int
	checked bool // only the bytes are asked for: names need not be read again
}

func (m *measure) name(noun, name string) error {
	m.bytes += len(name)
	if m.checked {
		return nil
	}
	return CheckName(noun, name)
}

func (m *measure) value(v Value) error {
	m.bytes += len(v.Bytes) + 8
	switch {
	case len(v.Bytes) > LimitValue:
		return Errorf(TooLarge, "value of %d bytes; the limit is %d", len(v.Bytes), LimitValue)
	case v.Counter && v.Bytes != nil:
		return Errorf(Invalid, "a counter holds no bytes")
	}
	return nil
}

func (m *measure) event(e Event) error {
	m.bytes += len(e.Data)
	if len(e.Data) > LimitValue {
		return Errorf(TooLarge, "event of %d bytes; the limit is %d", len(e.Data), LimitValue)
	}
	return m.name("event type", e.Type)
}

func (m *measure) span(noun, from, to string) error {
	m.bytes += len(from) + len(to)
	for _, bound := range []string{from, to} {
		switch {
		case len(bound) > LimitName+1: // one more: the smallest name after the longest
			return Errorf(TooLarge, "%s range bound of %d bytes; the limit is %d", noun, len(bound), LimitName+1)
		case !utf8.ValidString(bound):
			return Errorf(Invalid, "%s range bound %q is not valid UTF-8", noun, bound)
		}
	}
	if to != "" && to <= from {
		return Errorf(Invalid, "%s range [%q, %q) is empty", noun, from, to)
	}
	return nil
}

func (m *measure) opaque(id string) error {
	m.bytes += len(id)
	return ID{Opaque: id}.validateOpaque()
}

func (id ID) validateOpaque() error {
	if id.Opaque == "" {
		return Errorf(Invalid, "ID is empty")
	}
	return id.Validate()
}

func (m *measure) condition(c Condition) error {
	switch c := c.(type) {
	case KeyAbsent:
		return m.name("key", c.Name)
	case KeyUnchanged:
		return m.name("key", c.Name)
	case KeyEquals:
		if err := m.value(c.Value); err != nil {
			return err
		}
		return m.name("key", c.Name)
	case StreamLength:
		return m.name("stream", c.Stream)
	case RangeUnchanged:
		return m.span("key", c.From, c.To)
	case StreamsUnchanged:
		return m.span("stream", c.From, c.To)
	case LeaseHeld:
		return m.name("lease", c.Lease)
	case Committed:
		return m.opaque(c.ID)
	default:
		return Errorf(Invalid, "condition of unknown type %T", c)
	}
}

// operation checks one operation and returns how much it counts against
// LimitOperations.
func (m *measure) operation(o Operation) (int, error) {
	switch o := o.(type) {
	case Put:
		return 1, first(m.name("key", o.Name), m.value(o.Value), ttl(o.TTL, true))
	case Delete:
		return 1, m.name("key", o.Name)
	case Add:
		if o.Floor != nil && o.Ceiling != nil && *o.Floor > *o.Ceiling {
			return 1, Errorf(Invalid, "floor %d is above ceiling %d", *o.Floor, *o.Ceiling)
		}
		return 1, m.name("counter", o.Name)
	case Append:
		if len(o.Events) == 0 {
			return 1, Errorf(Invalid, "append to %q has no events", o.Stream)
		}
		for _, e := range o.Events {
			if err := m.event(e); err != nil {
				return 1, err
			}
		}
		return len(o.Events), m.name("stream", o.Stream)
	case Acquire:
		return 1, first(m.name("lease", o.Lease), m.name("owner", o.Owner), ttl(o.TTL, false))
	case Renew:
		return 1, first(m.name("lease", o.Lease), ttl(o.TTL, false))
	case Release:
		return 1, m.name("lease", o.Lease)
	case Emit:
		return 1, first(m.name("topic", o.Topic), m.event(o.Event))
	case Void:
		return 1, m.opaque(o.ID)
	case Present:
		return 1, m.name("lease", o.Lease)
	default:
		return 1, Errorf(Invalid, "operation of unknown type %T", o)
	}
}

// LimitTTL is the longest TTL of a key or a lease.
const LimitTTL = 10 * 365 * 24 * time.Hour

func ttl(d time.Duration, optional bool) error {
	switch {
	case d < 0, d == 0 && !optional:
		return Errorf(Invalid, "TTL %s is not positive", d)
	case d > LimitTTL:
		return Errorf(TooLarge, "TTL %s; the limit is %s", d, LimitTTL)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
