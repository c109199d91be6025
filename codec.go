package mainstem

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Codec turns a Go value into stored bytes and back. What Encode writes must
// stay readable for as long as it is kept: years, for an event. Both methods
// may be called from many goroutines.
type Codec[T any] interface {
	Encode(v T) ([]byte, error)
	Decode(b []byte) (T, error)
}

// JSON stores values as encoding/json writes them. Fields that T does not have
// are ignored, so an older program can read what a newer one wrote; when it
// writes the value back, those fields are gone.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Encode(v T) ([]byte, error) { return json.Marshal(v) }

func (jsonCodec[T]) Decode(b []byte) (v T, err error) {
	err = json.Unmarshal(b, &v)
	return v, err
}

// Text stores strings as they are. A string that is not valid UTF-8 is
// Invalid, both ways; keep such bytes with Raw.
func Text() Codec[string] { return textCodec{} }

type textCodec struct{}

func (textCodec) Encode(s string) ([]byte, error) { return []byte(s), checkText(s) }
func (textCodec) Decode(b []byte) (string, error) { return string(b), checkText(string(b)) }

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return Errorf(Invalid, "text %s is not valid UTF-8", quoteShort(s))
	}
	return nil
}

// Raw stores bytes as they are. They are not copied in either direction.
func Raw() Codec[[]byte] { return rawCodec{} }

type rawCodec struct{}

func (rawCodec) Encode(b []byte) ([]byte, error) { return b, nil }
func (rawCodec) Decode(b []byte) ([]byte, error) { return b, nil }

// quoteShort quotes at most the first 64 bytes of what a caller passed, so that
// an error never carries a value of 256 KiB.
func quoteShort(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(s[:most]) + "…"
}
