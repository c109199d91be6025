package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

func sample() pg.Event {
	return pg.Event{
		Position: 7, Stream: "order/1", Version: 3, Event: mainstem.Event{Type: "placed.v1", Data: []byte(`{"n":1}`)},
		Meta: mainstem.Meta{Actor: "ann", Request: "r1", Trace: "t1"}, Made: time.Date(2026, 11, 26, 12, 0, 0, 123456000, time.UTC),
	}
}

// TestBody is the body as a receiver sees it, in any language.
func TestBody(t *testing.T) {
	for data, want := range map[string]string{
		`{"n":1}`: `,"data":{"n":1}`,
		"":        ``,
		"\u0020[1.0e400, 12345678901234567890, {\"b\":1,\"a\":2,\"a\":\"<\"}]\n": `,"data":[1.0e400, 12345678901234567890, {"b":1,"a":2,"a":"<"}]`,
		`null`: `,"data":null`,
		`"}"`:  `,"data":"}"`,
	} {
		e := sample()
		e.Data = []byte(data)
		got, err := encode("shop", jsonType, e)
		if err != nil {
			t.Fatal(err)
		}
		want = `{"specversion":"1.0","id":"shop-7","source":"shop","type":"placed.v1","subject":"order/1","time":"2026-11-26T12:00:00.123456Z",` +
			`"position":"7","version":"3","actor":"ann","request":"r1","trace":"t1","datacontenttype":"application/json"` + want + "}\n"
		if string(got) != want {
			t.Errorf("the body is\n%s\nwant\n%s", got, want)
		}
		m, err := decode(got)
		if e.Data = bytes.TrimSpace(e.Data); err != nil || !reflect.DeepEqual(m.Event, e) && len(e.Data) > 0 {
			t.Errorf("it is read as %+v: %v", m.Event, err)
		}
	}
	e := sample()
	e.Data = []byte("7")
	got, err := encode("shop", "application/protobuf", e)
	if err != nil || !strings.HasSuffix(string(got), `"datacontenttype":"application/protobuf","data_base64":"Nw=="}`+"\n") {
		t.Errorf("data that look like JSON by chance came as %s: %v", got, err)
	}
}

// TestData: what is no JSON is not sent as if it were.
func TestData(t *testing.T) {
	for data, contentType := range map[string]string{
		"{":        jsonType,
		"\x00\x01": "application/vnd.shop+json; v=1",
		"\"\xff\"": jsonType,
		"1":        "no type at all",
		"2":        "text/plain; x=" + strings.Repeat("x", limitType),
	} {
		e := sample()
		e.Data = []byte(data)
		if _, err := encode("shop", contentType, e); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("data %q of %.40s: %v", data, contentType, err)
		}
	}
}

// TestLargest: the largest event that can be appended fits into LimitBody.
func TestLargest(t *testing.T) {
	long := strings.Repeat("\x01", mainstem.LimitName) // each character is six bytes in JSON
	e := pg.Event{
		Position: 1<<63 - 1, Stream: long, Version: 1<<63 - 1,
		Event: mainstem.Event{Type: long, Data: bytes.Repeat([]byte{'x'}, mainstem.LimitValue)},
		Meta:  mainstem.Meta{Actor: long, Request: long}, Made: time.Now(),
	}
	got, err := encode(pg.Source(strings.Repeat("s", pg.LimitSource)), "application/"+strings.Repeat("x", limitType-12), e)
	if err != nil || len(got) > LimitBody {
		t.Fatalf("the body has %d bytes: %v", len(got), err)
	}
	if _, err := decode(append(got, bytes.Repeat([]byte{' '}, LimitBody-len(got)+1)...)); mainstem.CodeOf(err) != mainstem.TooLarge {
		t.Errorf("a larger body: %v", err)
	}
}

// FuzzDecode: any body is an error or an event, and the event says the same when
// it is sent on.
func FuzzDecode(f *testing.F) {
	for _, contentType := range []string{jsonType, "text/plain"} {
		text, err := encode("shop", contentType, sample())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"specversion":"1.0","id":"a-1","source":"a","position":"1","time":"2026-11-26T12:00:00Z","data":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decode(text)
		if err != nil {
			if mainstem.CodeOf(err) != mainstem.Invalid && mainstem.CodeOf(err) != mainstem.TooLarge {
				t.Fatal(err)
			}
			return
		}
		again, err := encode(m.Source, m.ContentType, m.Event)
		if err != nil {
			return // a sender that is no Sink
		}
		if len(again) > LimitBody {
			return
		}
		n, err := decode(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if m.Event.Data = bytes.TrimSpace(m.Event.Data); !m.Event.Made.Equal(n.Event.Made) || n.ID != m.ID || !bytes.Equal(bytes.TrimSpace(n.Event.Data), m.Event.Data) {
			t.Fatalf("%+v became %+v", m, n)
		}
	})
}

// FuzzEncode: an event is read as it was written.
func FuzzEncode(f *testing.F) {
	f.Add("order/1", "placed", []byte(`{"n":1}`), "ann", int64(7), true)
	f.Add("a", "b", []byte{0, 255}, "", int64(1)<<40, false)
	f.Fuzz(func(t *testing.T, stream, kind string, data []byte, actor string, position int64, asJSON bool) {
		if !utf8.ValidString(stream+kind+actor) || position < 1 || len(stream)+len(kind)+len(actor)+len(data) > LimitBody/8 {
			return
		}
		contentType := "application/octet-stream"
		if asJSON {
			contentType = jsonType
		}
		e := pg.Event{
			Position: mainstem.Position(position), Stream: stream, Event: mainstem.Event{Type: kind, Data: data},
			Meta: mainstem.Meta{Actor: actor}, Made: time.Unix(position%1e9, 1000).UTC(),
		}
		text, err := encode("s", contentType, e)
		if err != nil {
			if json.Valid(data) && utf8.Valid(data) || !asJSON {
				t.Fatal(err)
			}
			return
		}
		m, err := decode(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if asJSON {
			e.Data = bytes.TrimSpace(e.Data)
		}
		if !bytes.Equal(m.Event.Data, e.Data) {
			t.Fatalf("data %q came as %q", e.Data, m.Event.Data)
		}
		m.Event.Data, e.Data = nil, nil
		if !reflect.DeepEqual(m.Event, e) {
			t.Fatalf("%+v came as %+v", e, m.Event)
		}
	})
}

// FuzzVerify: no header makes a request pass that was not signed, and none panics.
func FuzzVerify(f *testing.F) {
	f.Add("shop-7", "1800000000", "v1,AAAA")
	f.Add("shop-7", "1800000000", "v1,AAAA v1a,?? v1,"+strings.Repeat("A", 43)+"=")
	f.Fuzz(func(t *testing.T, id, timestamp, signature string) {
		r, err := NewReceiver(NewSecret())
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{HeaderID: {id}, HeaderTimestamp: {timestamp}, HeaderSignature: {signature}}
		if m, err := r.Verify(header, []byte(`{}`), time.Unix(1_800_000_000, 0)); err == nil {
			t.Fatalf("it passed as %+v", m)
		}
	})
}
