package server

import (
	"bytes"
	"encoding/json"
	"errors"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// readable is the JSON of the contract with the names that stand in it, which are
// those of the command line too. Fields that it does not know are errors: a
// misspelt condition must not be left out.
type readable struct{}

var (
	writeJSON = protojson.MarshalOptions{UseProtoNames: true}
	readJSON  = protojson.UnmarshalOptions{RecursionLimit: 32}

	errNotProto = errors.New("not a message of the contract")
)

// Name is the codec's name in content types.
func (readable) Name() string { return "json" }

// Marshal writes a message.
func (readable) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, errNotProto
	}
	return marshal(m)
}

// marshal writes a message the same way in every build: the library puts blanks
// in by chance, so that nobody relies on them.
func marshal(m proto.Message) ([]byte, error) {
	spaced, err := writeJSON.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, spaced)
	return b.Bytes(), err
}

// Unmarshal reads a message.
func (readable) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return errNotProto
	}
	if len(data) == 0 {
		return errors.New("an empty body is no JSON; send at least {}")
	}
	if len(data) >= partsFrom && jsonParts(data) > LimitParts {
		return errParts
	}
	if err := readJSON.Unmarshal(data, m); err != nil {
		return explained(err, m.ProtoReflect().Descriptor())
	}
	return nil
}
