package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// object is a JSON object being read strictly: a name that nobody asked for, a
// repeated name, a wrong type and text that is no text are errors. The standard
// decoder forgives them all, and a transaction must not mean less than it says.
type object struct {
	where string
	raw   map[string]json.RawMessage
	err   error
}

// parseObject reads text that is one JSON object and nothing else.
func parseObject(where string, text []byte) *object {
	o := &object{where: where}
	if !utf8.Valid(text) {
		o.failf("", "is not valid UTF-8")
		return o
	}
	if escape := loneSurrogate(text); escape != "" {
		o.failf("", "has the escape %s, half of a surrogate pair, which is no character", escape)
		return o
	}
	if err := checkNames(text); err != nil {
		o.failf("", "%v", err)
		return o
	}
	o.read(text)
	return o
}

func (o *object) read(text []byte) {
	if err := json.Unmarshal(text, &o.raw); err != nil {
		o.raw = nil
		o.failf("", "is not a JSON object: %v", err)
	} else if o.raw == nil {
		o.failf("", "is null, not a JSON object")
	}
}

// checkNames refuses an object that has one name twice, at any depth, and
// anything after the first value.
func checkNames(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has more after its end")
	}
	return nil
}

// limitDepth is deeper than any object of ours, and bounds the recursion.
const limitDepth = 100

func checkValue(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if errors.Is(err, io.EOF) {
		return errors.New("ends too early")
	}
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == limitDepth {
		return fmt.Errorf("is nested deeper than %d", limitDepth)
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return fmt.Errorf("is not JSON: %w", err)
			}
			text, _ := name.(string)
			if seen[text] {
				return fmt.Errorf("has %q twice", text)
			}
			seen[text] = true
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return fmt.Errorf("is not JSON: %w", err)
	}
	return nil
}

// failf keeps the first error.
func (o *object) failf(name, format string, args ...any) {
	if o.err != nil {
		return
	}
	where := o.where
	if name != "" {
		where += "." + name
	}
	o.err = misused("see mainstem txn --help", "%s %s", where, fmt.Sprintf(format, args...))
}

// take removes a field, so that what is left at the end is unknown.
func (o *object) take(name string) (json.RawMessage, bool) {
	raw, ok := o.raw[name]
	delete(o.raw, name)
	return raw, ok && o.err == nil
}

// field reads an optional field into a T; kind says in words what a T is.
func field[T any](o *object, name, kind string) (value T, given bool) {
	raw, ok := o.take(name)
	if !ok {
		return value, false
	}
	if string(raw) == "null" {
		o.failf(name, "is null; leave it out, or give %s", kind)
		return value, false
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		o.failf(name, "is %.40s, not %s", raw, kind)
		return value, false
	}
	return value, true
}

func (o *object) text(name string) string {
	s, _ := field[string](o, name, "a string")
	return s
}

func (o *object) need(name string) string {
	s, ok := field[string](o, name, "a string")
	if !ok {
		o.failf(name, "is missing")
	}
	return s
}

func (o *object) integer(name string) *int64 {
	if n, ok := field[int64](o, name, "a whole number of at most 64 bits"); ok {
		return &n
	}
	return nil
}

// position reads a position, which is a string in all JSON.
func (o *object) position(name string) mainstem.Position {
	p, ok := field[mainstem.Position](o, name, `a position as a string, like "17"`)
	if !ok {
		o.failf(name, "is missing")
	}
	return p
}

func (o *object) fencing() mainstem.FencingToken {
	t, ok := field[mainstem.FencingToken](o, "token", `a fencing token as a string, like "17"`)
	if !ok {
		o.failf("token", "is missing")
	}
	return t
}

func (o *object) ttl() time.Duration {
	text, ok := field[string](o, "ttl", `a duration as a string, like "30m"`)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		o.failf("ttl", "is %q, not a duration like 30m or 36h", text)
	}
	return d
}

// bytes reads one of the three ways to write bytes under a name: text in
// NAME, base64 in NAME_base64, any JSON, kept as written, in NAME_json.
func (o *object) bytes(name string) (value []byte, given bool) {
	count := 0
	if s, ok := field[string](o, name, "a string"); ok {
		value, count = []byte(s), count+1
	}
	if b, ok := field[[]byte](o, name+"_base64", "base64 with padding"); ok {
		value, count = b, count+1
	}
	if raw, ok := o.take(name + "_json"); ok {
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil {
			o.failf(name+"_json", "is not JSON: %v", err)
		}
		value, count = compact.Bytes(), count+1
	}
	if count > 1 {
		o.failf(name, "is given in more than one way")
	}
	return value, count > 0
}

// end reports what was wrong: an unknown field before anything else, since a
// missing one may be it, misspelt.
func (o *object) end() error {
	if len(o.raw) > 0 {
		o.err = nil
		o.failf("", "has no field %q", slices.Min(slices.Collect(maps.Keys(o.raw))))
	}
	return o.err
}

// unknownf reports a tag that nobody knows.
func (o *object) unknownf(format string, args ...any) {
	o.raw = nil
	o.failf("", format, args...)
}

// tagged reads {"NAME": {…}}: what is meant, and its fields.
func tagged(where string, text json.RawMessage) (string, *object) {
	o := &object{where: where}
	o.read(text)
	if o.err == nil && len(o.raw) != 1 {
		o.failf("", `has %d fields, not one, like {"put": {…}}`, len(o.raw))
	}
	for tag, raw := range o.raw {
		inner := &object{where: where + "." + tag, err: o.err}
		if inner.err == nil {
			inner.read(raw)
		}
		return tag, inner
	}
	return "", o
}
