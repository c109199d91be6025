package cli

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// valueJSON is a value in JSON; exactly one field is set.
type valueJSON struct {
	Text    *string `json:"value,omitempty"`
	Base64  []byte  `json:"value_base64,omitempty"` // bytes that are not UTF-8
	Counter *int64  `json:"counter,omitempty"`
}

func valueOf(v mainstem.Value) valueJSON {
	if v.Counter {
		return valueJSON{Counter: &v.Int}
	}
	text, binary := textOr(v.Bytes)
	return valueJSON{Text: text, Base64: binary}
}

// textOr is the bytes as text, or as they are when they are not UTF-8.
func textOr(b []byte) (*string, []byte) {
	if !utf8.Valid(b) {
		return nil, b
	}
	s := string(b)
	return &s, nil
}

// versionJSON is a key at a position.
type versionJSON struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	valueJSON
	Position mainstem.Position `json:"position"`
	// ExpiresIn is how much longer the key lives at least, in log age.
	ExpiresIn string `json:"expires_in,omitempty"`
}

func versionOf(group string, v mainstem.Version, now mainstem.LogAge) versionJSON {
	return versionJSON{
		Group: group, Name: v.Name, valueJSON: valueOf(v.Value), Position: v.Position, ExpiresIn: remaining(v.Until, now),
	}
}

// remaining is what is left of a TTL, at least one second so that it stays one.
func remaining(until, now mainstem.LogAge) string {
	if until == 0 {
		return ""
	}
	return max(until.Sub(now), time.Second).Round(time.Second).String()
}

// eventJSON is an event in its stream.
type eventJSON struct {
	Number   uint64            `json:"number,omitempty"`
	Type     string            `json:"type"`
	Data     *string           `json:"data,omitempty"`
	Base64   []byte            `json:"data_base64,omitempty"`
	Position mainstem.Position `json:"position,omitempty"`
}

func eventOf(r mainstem.Recorded) eventJSON {
	text, binary := textOr(r.Data)
	return eventJSON{Number: r.Number, Type: r.Type, Data: text, Base64: binary, Position: r.Position}
}

// receiptJSON is a receipt.
type receiptJSON struct {
	Group       string               `json:"group"`
	ID          string               `json:"id,omitempty"`
	Partition   int                  `json:"partition"`
	Position    mainstem.Position    `json:"position"`
	Incarnation mainstem.Incarnation `json:"incarnation"`
	Time        time.Time            `json:"time"`
	Results     []resultJSON         `json:"results"`
	Reply       *string              `json:"reply,omitempty"`
	ReplyBase64 []byte               `json:"reply_base64,omitempty"`
	Refused     bool                 `json:"refused,omitempty"`
	Replayed    bool                 `json:"replayed"`
	Token       mainstem.Token       `json:"token"`
}

// resultJSON is what one operation brought.
type resultJSON struct {
	Counter *int64                `json:"counter,omitempty"`
	Length  uint64                `json:"length,omitempty"`
	Token   mainstem.FencingToken `json:"token,omitzero"`
}

// receiptOf tells a receipt. isAdd says of which operations the counter counts,
// since a counter of 0 is a result too.
func receiptOf(group, id string, r *mainstem.Receipt, isAdd func(int) bool) receiptJSON {
	j := receiptJSON{
		Group: group, ID: id, Partition: r.Partition, Position: r.Position, Incarnation: r.Incarnation,
		Time: r.Wall.UTC(), Results: []resultJSON{}, Refused: r.Refused, Replayed: r.Replayed, Token: r.Token,
	}
	if r.Reply != nil {
		j.Reply, j.ReplyBase64 = textOr(r.Reply)
	}
	for i, result := range r.Results {
		one := resultJSON{Length: result.Length, Token: result.Token}
		if isAdd(i) {
			one.Counter = &result.Counter
		}
		j.Results = append(j.Results, one)
	}
	return j
}

// told prints a receipt: as JSON, or its result and place on one line.
func (e *env) told(group, id string, r *mainstem.Receipt, result string, adds bool) error {
	if e.json {
		return e.object(receiptOf(group, id, r, func(int) bool { return adds }))
	}
	text := "position " + r.Position.String()
	if result != "" {
		text = result + "  " + text
	}
	if r.Replayed {
		text += "  (replayed: this ID had committed before)"
	}
	_, err := e.out.WriteString(text + "\n")
	return err
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// counted writes "1 line", "2 lines".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
