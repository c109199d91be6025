// Package cloudevent says what a message of a broker tells of an event beside its
// data: the attributes of CloudEvents 1.0.2, in binary mode.
package cloudevent

import (
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/pg"
)

// Names of attributes that are read again.
const (
	ID       = "id"
	Source   = "source"
	Subject  = "subject" // the stream
	Position = "position"
)

// Attribute is one name, without a broker's prefix, and its value.
type Attribute struct{ Name, Value string }

// Attributes are those of an event, always the same. Version, actor, request and
// trace are there if the event has them.
func Attributes(source pg.Source, e pg.Event) []Attribute {
	list := []Attribute{
		{"specversion", "1.0"},
		{ID, source.ID(e.Position)},
		{Source, string(source)},
		{"type", e.Type},
		{Subject, e.Stream},
		{"time", e.Made.UTC().Format(time.RFC3339Nano)},
		{Position, strconv.FormatInt(int64(e.Position), 10)},
	}
	if e.Version > 0 {
		list = append(list, Attribute{"version", strconv.FormatInt(e.Version, 10)})
	}
	for _, a := range []Attribute{{"actor", e.Meta.Actor}, {"request", e.Meta.Request}, {"trace", e.Meta.Trace}} {
		if a.Value != "" {
			list = append(list, a)
		}
	}
	return list
}

// Escape writes each byte of a text for which plain is false as % and two digits,
// and % too. So it is injective.
func Escape(text string, plain func(c byte) bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c != '%' && plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
		}
	}
	return b.String()
}
