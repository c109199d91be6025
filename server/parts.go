package server

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mainstemdb/mainstem"
)

// LimitParts is the most parts of one message: transactions, conditions, operations and
// whatever else is a message within it. A part can be two bytes on the wire, and takes a
// hundred times as many in memory, so they are counted before anything is made of them.
const LimitParts = 1 << 16

// partsFrom is the size of a message, in bytes, from which on its parts are counted: one
// that is smaller cannot have many.
const partsFrom = LimitParts

// packed is the contract's binary encoding, as the library has it, with LimitParts.
type packed struct{}

// Name is the codec's name in content types.
func (packed) Name() string { return "proto" }

// Marshal writes a message.
func (b packed) Marshal(v any) ([]byte, error) { return b.MarshalAppend(nil, v) }

// MarshalAppend writes a message behind what is there.
func (packed) MarshalAppend(to []byte, v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, errNotProto
	}
	return proto.MarshalOptions{}.MarshalAppend(to, m)
}

// Unmarshal reads a message.
func (packed) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return errNotProto
	}
	if len(data) >= partsFrom && partsLeft(data, m.ProtoReflect().Descriptor(), LimitParts, 0) < 0 {
		return errParts
	}
	return proto.Unmarshal(data, m)
}

var errParts = mainstem.Errorf(mainstem.TooLarge, "a message has more than %d parts: transactions, conditions, operations; send it in several", LimitParts)

// mostDepth is how deep the contract's messages lie in each other, and more.
const mostDepth = 32

// partsLeft is how many more parts a message may have, negative if it has too many. What
// is malformed is left to who reads it then.
func partsLeft(data []byte, d protoreflect.MessageDescriptor, left, depth int) int {
	for len(data) > 0 && left >= 0 && depth < mostDepth {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return left
		}
		data = data[n:]
		if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
			return left
		}
		field := d.Fields().ByNumber(number)
		if kind == protowire.BytesType && field != nil && (field.Message() != nil || field.IsList() && !field.IsPacked()) {
			left--
			if field.Message() != nil {
				within, _ := protowire.ConsumeBytes(data)
				left = partsLeft(within, field.Message(), left, depth+1)
			}
		}
		data = data[n:]
	}
	return left
}

// jsonParts is how many objects a text has that is JSON.
func jsonParts(text []byte) (n int) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // what follows is no quote
		case !quoted && c == '{':
			n++
		}
	}
	return n
}
