package model

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// The limits as the documentation states them, and not as the constants of the
// root package say: a constant that slips is then found.
const (
	limitName        = 512
	limitValue       = 256 * 1024
	limitTransaction = 512 * 1024
	limitCount       = 4096
	limitFingerprint = 64
	limitMeta        = 1024
	limitTTL         = 10 * 365 * 24 * time.Hour
)

func name(s string) error {
	switch {
	case s == "" || strings.ContainsRune(s, 0) || !utf8.ValidString(s) && len(s) <= limitName:
		return no(mainstem.Invalid, "name")
	case len(s) > limitName:
		return no(mainstem.TooLarge, "name")
	}
	return nil
}

// valid is the check at the door, of sizes and forms.
func valid(t *mainstem.Transaction) error {
	if err := name(t.Group); err != nil {
		return err
	}
	if err := validID(t.ID); err != nil {
		return err
	}
	switch {
	case len(t.Fingerprint) > limitFingerprint, len(t.Reply) > limitValue:
		return no(mainstem.TooLarge, "fingerprint or reply")
	case len(t.Meta.Actor)+len(t.Meta.Request)+len(t.Meta.Trace) > limitMeta:
		return no(mainstem.TooLarge, "metadata")
	case t.Refused && len(t.Operations) > 0, t.Deadline < 0, !utf8.ValidString(t.Meta.Actor + "|" + t.Meta.Request + "|" + t.Meta.Trace):
		return no(mainstem.Invalid, "refusal with operations, deadline, or metadata")
	}
	count, bytes := len(t.Conditions), len(t.Reply)
	for i, c := range t.Conditions {
		n, err := validCondition(c)
		if err != nil {
			return numbered(err, i+1)
		}
		bytes += n
	}
	for i, o := range t.Operations {
		n, weight, err := validOperation(o)
		if err != nil {
			return numbered(err, len(t.Conditions)+i+1)
		}
		bytes, count = bytes+n, count+weight
	}
	if count > limitCount || bytes > limitTransaction {
		return no(mainstem.TooLarge, "transaction")
	}
	return nil
}

func validID(id mainstem.ID) error {
	switch {
	case id.Opaque != "" && (id.Number != 0 || strings.HasPrefix(id.Opaque, "~")),
		id.Opaque == "" && id.Number > 0 && (id.Low == 0 || id.Low > id.Number):
		return no(mainstem.Invalid, "ID")
	case id.Opaque != "":
		return name(id.Opaque)
	}
	return nil
}

func validCondition(c mainstem.Condition) (bytes int, err error) {
	switch c := c.(type) {
	case mainstem.KeyAbsent:
		return len(c.Name), name(c.Name)
	case mainstem.KeyUnchanged:
		return len(c.Name), name(c.Name)
	case mainstem.KeyEquals:
		return len(c.Name) + len(c.Value.Bytes) + 8, either(value(c.Value), name(c.Name))
	case mainstem.StreamLength:
		return len(c.Stream), name(c.Stream)
	case mainstem.RangeUnchanged:
		return len(c.From) + len(c.To), span(c.From, c.To)
	case mainstem.StreamsUnchanged:
		return len(c.From) + len(c.To), span(c.From, c.To)
	case mainstem.LeaseHeld:
		return len(c.Lease), name(c.Lease)
	case mainstem.Committed:
		return len(c.ID), opaque(c.ID)
	default:
		return 0, no(mainstem.Invalid, "condition")
	}
}

func validOperation(o mainstem.Operation) (bytes, weight int, err error) {
	switch o := o.(type) {
	case mainstem.Put:
		return len(o.Name) + len(o.Value.Bytes) + 8, 1, either(name(o.Name), value(o.Value), ttl(o.TTL, 0))
	case mainstem.Delete:
		return len(o.Name), 1, name(o.Name)
	case mainstem.Add:
		if o.Floor != nil && o.Ceiling != nil && *o.Floor > *o.Ceiling {
			return 0, 1, no(mainstem.Invalid, "bounds")
		}
		return len(o.Name), 1, name(o.Name)
	case mainstem.Append:
		if len(o.Events) == 0 {
			return 0, 0, no(mainstem.Invalid, "no events")
		}
		for _, e := range o.Events {
			bytes += len(e.Type) + len(e.Data)
			err = either(err, event(e))
		}
		return bytes + len(o.Stream), len(o.Events), either(err, name(o.Stream))
	case mainstem.Acquire:
		return len(o.Lease) + len(o.Owner), 1, either(name(o.Lease), name(o.Owner), ttl(o.TTL, 1))
	case mainstem.Renew:
		return len(o.Lease), 1, either(name(o.Lease), ttl(o.TTL, 1))
	case mainstem.Release:
		return len(o.Lease), 1, name(o.Lease)
	case mainstem.Emit:
		return len(o.Topic) + len(o.Event.Type) + len(o.Event.Data), 1, either(name(o.Topic), event(o.Event))
	case mainstem.Void:
		return len(o.ID), 1, opaque(o.ID)
	case mainstem.Present:
		return len(o.Lease), 1, name(o.Lease)
	default:
		return 0, 1, no(mainstem.Invalid, "operation")
	}
}

func opaque(id string) error {
	if strings.HasPrefix(id, "~") {
		return no(mainstem.Invalid, "opaque ID")
	}
	return name(id)
}

func value(v mainstem.Value) error {
	switch {
	case len(v.Bytes) > limitValue:
		return no(mainstem.TooLarge, "value")
	case v.Counter && v.Bytes != nil:
		return no(mainstem.Invalid, "counter with bytes")
	}
	return nil
}

func event(e mainstem.Event) error {
	if len(e.Data) > limitValue {
		return no(mainstem.TooLarge, "event")
	}
	return name(e.Type)
}

func span(from, to string) error {
	switch {
	case len(from) > limitName+1, len(to) > limitName+1:
		return no(mainstem.TooLarge, "bound")
	case !utf8.ValidString(from), !utf8.ValidString(to), to != "" && to <= from:
		return no(mainstem.Invalid, "span")
	}
	return nil
}

func ttl(d, least time.Duration) error {
	switch {
	case d < least:
		return no(mainstem.Invalid, "TTL")
	case d > limitTTL:
		return no(mainstem.TooLarge, "TTL")
	}
	return nil
}

func either(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
