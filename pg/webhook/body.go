package webhook

import (
	"bytes"
	"encoding/json"
	"mime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// LimitBody is the most bytes of a request's body. The largest event fits.
const LimitBody = 512 << 10

const (
	bodyType = "application/cloudevents+json; charset=UTF-8"
	jsonType = "application/json"
)

// limitType is the most bytes of a content type.
const limitType = 255

// Message is one event as a receiver gets it.
type Message struct {
	// ID is the event's for good: Source and position. Whatever is repeated comes
	// under it, and nothing else does.
	ID     string
	Source pg.Source
	// ContentType is that of Event.Data.
	ContentType string
	Event       pg.Event
}

// body is a CloudEvent. Integers of CloudEvents have 32 bits, so position and
// version are text.
type body struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      pg.Source `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject"` // the stream
	Time        string    `json:"time"`
	Position    string    `json:"position"`
	Version     string    `json:"version,omitempty"`
	Actor       string    `json:"actor,omitempty"`
	Request     string    `json:"request,omitempty"`
	Trace       string    `json:"trace,omitempty"`
	ContentType string    `json:"datacontenttype"`
	Base64      []byte    `json:"data_base64,omitempty"`
}

// encode makes the body of an event, the same bytes each time. JSON goes in as it
// is, byte for byte but for space around it: numbers and the order of keys are
// the sender's own. Whether data are JSON is said by their type and never guessed:
// bytes of another format can look like JSON by chance.
func encode(source pg.Source, contentType string, e pg.Event) ([]byte, error) {
	b := body{
		SpecVersion: "1.0", ID: source.ID(e.Position), Source: source, Type: e.Type, Subject: e.Stream,
		Time: e.Made.UTC().Format(time.RFC3339Nano), Position: strconv.FormatInt(int64(e.Position), 10),
		Actor: e.Meta.Actor, Request: e.Meta.Request, Trace: e.Meta.Trace, ContentType: contentType,
	}
	if e.Version > 0 {
		b.Version = strconv.FormatInt(e.Version, 10)
	}
	inline, err := isJSON(contentType)
	switch {
	case err != nil:
		return nil, mainstem.Errorf(mainstem.Invalid, "event %s of type %.64q has no content type that could be sent: %w", b.ID, e.Type, err)
	case !inline:
		b.Base64 = e.Data
	case len(e.Data) > 0 && (!json.Valid(e.Data) || !utf8.Valid(e.Data)):
		return nil, mainstem.Errorf(mainstem.Invalid, "event %s: data of type %.64q should be %s and are not", b.ID, e.Type, contentType)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(b); err != nil {
		return nil, mainstem.Errorf(mainstem.Invalid, "event %s cannot be written as JSON: %w", b.ID, err)
	}
	if data := bytes.TrimSpace(e.Data); inline && len(data) > 0 {
		text.Truncate(len(bytes.TrimRight(text.Bytes(), "}\n")))
		text.WriteString(`,"data":`)
		text.Write(data)
		text.WriteString("}\n")
	}
	return text.Bytes(), nil
}

// isJSON reports whether data of a content type stand in the body as they are.
func isJSON(contentType string) (bool, error) {
	if len(contentType) > limitType {
		return false, mainstem.Errorf(mainstem.TooLarge, "a content type of %d bytes; the limit is %d", len(contentType), limitType)
	}
	media, _, err := mime.ParseMediaType(contentType)
	return media == jsonType || strings.HasSuffix(media, "+json"), err
}

// decode reads a body. Attributes that it does not know are ignored.
func decode(text []byte) (m Message, err error) {
	var b struct {
		body
		Data json.RawMessage `json:"data"`
	}
	invalid := func(what string, err error) (Message, error) {
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the body is no event: its %s cannot be read: %w", what, err)
	}
	if len(text) > LimitBody {
		return Message{}, mainstem.Errorf(mainstem.TooLarge, "the body is larger than %d bytes", LimitBody)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return invalid("JSON", err)
	}
	position, err := strconv.ParseUint(b.Position, 10, 63)
	if err != nil {
		return invalid("position", err)
	}
	version := uint64(0)
	if b.Version != "" {
		if version, err = strconv.ParseUint(b.Version, 10, 63); err != nil {
			return invalid("version", err)
		}
	}
	made, err := time.Parse(time.RFC3339Nano, b.Time)
	if err != nil {
		return invalid("time", err)
	}
	switch {
	case b.SpecVersion != "1.0":
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the body is of version %.64q of CloudEvents; 1.0 is known", b.SpecVersion)
	case b.Source.Check() != nil || b.ID != b.Source.ID(mainstem.Position(position)):
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the body's ID %.200q is not made of its source %.64q and position", b.ID, string(b.Source))
	case b.Data != nil && b.Base64 != nil:
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the body has data and data_base64")
	}
	m = Message{ID: b.ID, Source: b.Source, ContentType: b.ContentType}
	m.Event = pg.Event{
		Position: mainstem.Position(position), Stream: b.Subject, Version: int64(version),
		Event: mainstem.Event{Type: b.Type, Data: append(b.Base64, b.Data...)},
		Meta:  mainstem.Meta{Actor: b.Actor, Request: b.Request, Trace: b.Trace}, Made: made,
	}
	return m, nil
}
