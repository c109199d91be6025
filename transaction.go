package mainstem

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Limits, the same on every engine (L10).
const (
	// LimitName is the most bytes of a group, key, stream, lease, topic, type or ID.
	LimitName = 512
	// LimitValue is the most bytes of a value, an event's data, or a reply.
	LimitValue = 256 << 10
	// LimitTransaction is the most bytes of a transaction: names, values,
	// events, conditions and reply together.
	LimitTransaction = 512 << 10
	// LimitOperations is the most operations, events and conditions of a
	// transaction together.
	LimitOperations = 4096
	// LimitFingerprint is the most bytes of a request fingerprint.
	LimitFingerprint = 64
	// LimitMeta is the most bytes of actor, request ID and trace together.
	LimitMeta = 1024
)

// Transaction is a conditional, idempotent, atomic change of one group. It is
// what travels through Backend.Commit; Group.Do is the comfortable way to
// make one.
type Transaction struct {
	Group string
	ID    ID
	// Fingerprint is what the caller declares to identify the request: the
	// same ID with another fingerprint is IDReused.
	Fingerprint []byte
	// Attempt numbers the sendings of this ID, from 1; a later attempt, once
	// refused, kills the earlier ones (L11).
	Attempt uint32
	// Networked is set by a Backend whose requests can be delayed or repeated.
	// A definite refusal is then recorded durably before it is given, so that
	// a late copy of a refused attempt cannot commit (L11).
	Networked bool
	// Deadline is the log age after which this request is refused as TooOld;
	// 0 means none.
	Deadline LogAge

	Conditions []Condition
	Operations []Operation
	// Reply is stored under the ID and given again to every retry.
	Reply []byte
	// Refused marks a remembered refusal: conditions are checked, there are no
	// operations, and the reply says why.
	Refused bool
	Meta    Meta
}

// Meta is who and why. It is stored in the record and shown in the feed.
type Meta struct {
	Actor   string
	Request string
	Trace   string
}

// Validate reports the first rule or limit that the transaction breaks. Every
// Backend checks it at its door.
func (t *Transaction) Validate() error {
	if err := CheckGroup(t.Group); err != nil {
		return err
	}
	if err := t.ID.Validate(); err != nil {
		return err
	}
	switch {
	case len(t.Fingerprint) > LimitFingerprint:
		return Errorf(TooLarge, "fingerprint of %d bytes; the limit is %d", len(t.Fingerprint), LimitFingerprint)
	case len(t.Reply) > LimitValue:
		return Errorf(TooLarge, "reply of %d bytes; the limit is %d", len(t.Reply), LimitValue)
	case len(t.Meta.Actor)+len(t.Meta.Request)+len(t.Meta.Trace) > LimitMeta:
		return Errorf(TooLarge, "actor, request ID and trace are more than %d bytes", LimitMeta)
	case !utf8.ValidString(t.Meta.Actor) || !utf8.ValidString(t.Meta.Request) || !utf8.ValidString(t.Meta.Trace):
		return Errorf(Invalid, "actor, request ID and trace must be valid UTF-8")
	case t.Refused && len(t.Operations) > 0:
		return Errorf(Invalid, "a refusal has no operations, this one has %d", len(t.Operations))
	case t.Deadline < 0:
		return Errorf(Invalid, "deadline at log age %s is before the log", t.Deadline)
	}
	size, count := measure{}, 0
	for i, c := range t.Conditions {
		if err := size.condition(c); err != nil {
			return at(err, i+1)
		}
		count++
	}
	for i, o := range t.Operations {
		n, err := size.operation(o)
		if err != nil {
			return at(err, len(t.Conditions)+i+1)
		}
		count += n
	}
	if count > LimitOperations {
		return Errorf(TooLarge, "%d conditions, operations and events; the limit is %d", count, LimitOperations)
	}
	if total := size.bytes + len(t.Reply); total > LimitTransaction {
		return Errorf(TooLarge, "transaction of %d bytes; the limit is %d", total, LimitTransaction)
	}
	return nil
}

// Size is the number of bytes that Validate holds against LimitTransaction.
func (t *Transaction) Size() int {
	size := measure{checked: true}
	for _, c := range t.Conditions {
		_ = size.condition(c)
	}
	for _, o := range t.Operations {
		_, _ = size.operation(o)
	}
	return size.bytes + len(t.Reply)
}

func at(err error, condition int) error {
	var e *Error
	if errors.As(err, &e) && e.Condition == 0 {
		e.Condition = condition
	}
	return err
}

// CheckGroup reports whether name may be a group: 1 to LimitName bytes of
// valid UTF-8 without NUL.
func CheckGroup(name string) error { return CheckName("group", name) }

// CheckName reports what is wrong with a name: empty, beyond LimitName, not valid
// UTF-8, or with a NUL in it. The noun says in the error what it names.
func CheckName(noun, name string) error {
	switch {
	case name == "":
		return Errorf(Invalid, "%s name is empty", noun)
	case len(name) > LimitName:
		return Errorf(TooLarge, "%s name of %d bytes; the limit is %d", noun, len(name), LimitName)
	case !utf8.ValidString(name):
		return Errorf(Invalid, "%s name %q is not valid UTF-8", noun, name)
	case strings.IndexByte(name, 0) >= 0:
		return Errorf(Invalid, "%s name %q contains NUL", noun, name)
	}
	return nil
}
