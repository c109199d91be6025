package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// row is one line to import: what it does in which group, or why it cannot.
type row struct {
	line      int
	group     string
	operation mainstem.Operation
	condition mainstem.Condition // nil for none
	err       error
}

// worstEscape is how many bytes JSON needs for one byte of text at most: NUL
// is \u0000.
const worstEscape = 6

// limitLine is the most bytes of a line. Every line that export writes is
// shorter: a value, and three names, with every byte escaped.
const limitLine = worstEscape*(mainstem.LimitValue+3*mainstem.LimitName) + 1<<10

// jsonRows reads JSON lines. With a template each line is an object whose
// text becomes the value; without, it is a line that export wrote.
func jsonRows(r io.Reader, key *template) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 64<<10), limitLine)
		n := 1
		for ; lines.Scan(); n++ {
			text := bytes.TrimSpace(lines.Bytes())
			if n == 1 {
				text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
			}
			if len(text) == 0 {
				continue
			}
			var one row
			if key != nil {
				one = keyedRow(text, *key)
			} else {
				one = exportedRow(text)
			}
			one.line = n
			if !yield(one, nil) {
				return
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(row{}, misused("no value of this size can be stored: give each value a line of its own", "line %d is longer than %d bytes", n, limitLine))
		case err != nil:
			yield(row{}, err)
		}
	}
}

// keyedRow puts the whole object under the key that the template makes.
func keyedRow(text []byte, key template) row {
	o := parseObject("the line", text)
	if o.err != nil {
		return row{err: o.err}
	}
	p, err := key.fill(func(name string) (string, bool) { return scalar(o.raw[name]) })
	if err != nil {
		return row{err: err}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return row{err: err}
	}
	return checked(row{group: p.Group, operation: mainstem.Put{Name: p.Name, Value: mainstem.Bytes(compact.Bytes())}})
}

// scalar is a JSON string's text, or a number or boolean as it is written.
func scalar(raw json.RawMessage) (string, bool) {
	var s string
	switch {
	case len(raw) == 0, raw[0] == '{', raw[0] == '[', string(raw) == "null":
		return "", false
	case raw[0] == '"':
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	default:
		return string(raw), true
	}
}

// exportedRow reads a line that export wrote: a key with a value, or one event
// of a stream. An event's number, when given, must be the next of its stream.
func exportedRow(text []byte) row {
	o := parseObject("the line", text)
	key, isKey := field[string](o, "key", "a string")
	stream, isStream := field[string](o, "stream", "a string")
	if isKey == isStream {
		o.failf("", "needs either key or stream, as export writes it; for other lines give --key")
		return row{err: o.err}
	}
	p, err := mainstem.ParsePath(key + stream)
	if err != nil {
		return row{err: err}
	}
	one := row{group: p.Group}
	if isKey {
		one.operation = mainstem.Put{Name: p.Name, Value: o.value(), TTL: o.ttl()}
	} else {
		if number, ok := field[uint64](o, "number", "a whole number from 1"); ok {
			if number == 0 {
				o.failf("number", "is 0; events are numbered from 1")
			}
			one.condition = mainstem.StreamLength{Stream: p.Name, Length: number - 1}
		}
		one.operation = mainstem.Append{Stream: p.Name, Events: []mainstem.Event{o.event()}}
	}
	if err := o.end(); err != nil {
		return row{err: err}
	}
	return checked(one)
}

// checked holds a row to the limits of a transaction and to the groups that may
// be written, so that a bad line is found before anything is written.
func checked(r row) row {
	if reserved(r.group) {
		r.err = misused("write to another group", "group %q begins with ~, which marks Mainstem's own groups", r.group)
		return r
	}
	t := mainstem.Transaction{Group: r.group, Operations: []mainstem.Operation{r.operation}}
	r.err = t.Validate()
	return r
}

// csvRows reads CSV (RFC 4180). Columns are named by the header line, or by
// the caller when there is none. The value is a JSON object of all columns.
func csvRows(r io.Reader, key template, columns []string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		buffered := bufio.NewReader(r)
		if mark, _ := buffered.Peek(3); string(mark) == "\xef\xbb\xbf" {
			_, _ = buffered.Discard(3)
		}
		in := csv.NewReader(buffered)
		in.ReuseRecord = true
		if columns == nil {
			header, err := in.Read()
			if errors.Is(err, io.EOF) {
				yield(row{}, misused("name the columns in its first line, or with --columns", "the file is empty: it has no header line"))
				return
			}
			if err != nil {
				yield(row{}, fmt.Errorf("reading the header line: %w", err))
				return
			}
			columns = append(columns, header...)
		}
		if err := checkColumns(columns); err != nil {
			yield(row{}, err)
			return
		}
		in.FieldsPerRecord = len(columns)
		for {
			record, err := in.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			var bad *csv.ParseError
			if err != nil && !errors.As(err, &bad) {
				yield(row{}, err)
				return
			}
			var one row
			if bad != nil {
				one = row{line: bad.StartLine, err: fmt.Errorf("is not CSV with %d columns: %w", len(columns), bad.Err)}
			} else {
				one = csvRow(record, key, columns)
				one.line, _ = in.FieldPos(0)
			}
			if !yield(one, nil) {
				return
			}
		}
	}
}

// checkColumns refuses names that would not come back out of the JSON object
// that a line becomes: not text, or there twice.
func checkColumns(columns []string) error {
	seen := map[string]bool{}
	for i, c := range columns {
		switch {
		case !utf8.ValidString(c):
			return misused("convert the file to UTF-8", "the name of column %d, %s, is not valid UTF-8", i+1, shortened(c))
		case seen[c]:
			return misused("give each column a name of its own, in the header line or with --columns", "the name of column %d, %s, is there twice", i+1, shortened(c))
		}
		seen[c] = true
	}
	return nil
}

func csvRow(record []string, key template, columns []string) row {
	p, err := key.fill(func(name string) (string, bool) {
		for i, c := range columns {
			if c == name {
				return record[i], true
			}
		}
		return "", false
	})
	if err != nil {
		return row{err: err}
	}
	for i, cell := range record {
		if !utf8.ValidString(cell) { // no JSON can hold it; U+FFFD would be something else
			return row{err: fmt.Errorf("column %q is not valid UTF-8", columns[i])}
		}
	}
	b := strings.Builder{}
	b.WriteByte('{')
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(c) // a string always encodes
		value, _ := json.Marshal(record[i])
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return checked(row{group: p.Group, operation: mainstem.Put{Name: p.Name, Value: mainstem.Bytes([]byte(b.String()))}})
}
