package mainstem_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// OrderEvent is an event interface as in real code.
type OrderEvent interface{ isOrderEvent() }

type Placed struct {
	Item string `json:"item"`
}

type Paid struct{ Cents int64 }

type Shipped struct{ By string }

type unknownEvent struct{ mainstem.Event }

func (Placed) isOrderEvent()       {}
func (*Paid) isOrderEvent()        {} // a pointer type implements it
func (Shipped) isOrderEvent()      {}
func (unknownEvent) isOrderEvent() {}

// centsCodec stores a *Paid in eight bytes.
type centsCodec struct{}

func (centsCodec) Encode(p *Paid) ([]byte, error) {
	if p.Cents < 0 {
		return nil, errors.New("negative")
	}
	return binary.BigEndian.AppendUint64(nil, uint64(p.Cents)), nil
}

func (centsCodec) Decode(b []byte) (*Paid, error) {
	if len(b) != 8 {
		return nil, errors.New("not eight bytes")
	}
	return &Paid{Cents: int64(binary.BigEndian.Uint64(b))}, nil
}

func orderEvents() *mainstem.Registry[OrderEvent] {
	r := mainstem.NewRegistry[OrderEvent]()
	mainstem.Register[Placed](r, "order.placed.v1", "placed", "order_placed")
	mainstem.RegisterCodec(r, "order.paid.v1", centsCodec{})
	return r
}

func TestRegistryRoundTrip(t *testing.T) {
	r := orderEvents()
	e, err := r.Encode(Placed{Item: "tea"})
	if err != nil || e.Type != "order.placed.v1" || string(e.Data) != `{"item":"tea"}` {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, name := range []string{"order.placed.v1", "placed", "order_placed"} {
		got, err := r.Decode(mainstem.Event{Type: name, Data: e.Data})
		if err != nil || got != (Placed{Item: "tea"}) {
			t.Errorf("%s is read as %#v, %v", name, got, err)
		}
	}
	paid, err := r.Encode(&Paid{Cents: 7})
	if err != nil || len(paid.Data) != 8 {
		t.Fatalf("%+v, %v", paid, err)
	}
	if got, err := r.Decode(paid); err != nil || *got.(*Paid) != (Paid{Cents: 7}) {
		t.Fatalf("%#v, %v", got, err)
	}
}

func TestRegistryRefuses(t *testing.T) {
	r := orderEvents()
	for name, e := range map[string]OrderEvent{"unregistered": Shipped{}, "nil": nil, "not to be encoded": &Paid{Cents: -1}} {
		if got, err := r.Encode(e); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: encoded as %+v, %v", name, got, err)
		}
	}
	for name, e := range map[string]mainstem.Event{
		"unknown": {Type: "order.shipped.v1"}, "damaged": {Type: "placed", Data: []byte("{")}, "short": {Type: "order.paid.v1"},
	} {
		if got, err := r.Decode(e); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: decoded as %#v, %v", name, got, err)
		}
	}
	r.Fallback(func(e mainstem.Event) (OrderEvent, error) { return unknownEvent{e}, nil })
	if got, err := r.Decode(mainstem.Event{Type: "order.shipped.v1"}); err != nil || got.(unknownEvent).Type != "order.shipped.v1" {
		t.Errorf("the fallback gives %#v, %v", got, err)
	}
}

// A mistake in registering shows at every use, so that none is overlooked.
func TestRegistryKeepsMistakes(t *testing.T) {
	for want, register := range map[string]func(*mainstem.Registry[OrderEvent]){
		"is no ":               func(r *mainstem.Registry[OrderEvent]) { mainstem.Register[Paid](r, "paid") },
		"is an interface":      func(r *mainstem.Registry[OrderEvent]) { mainstem.Register[OrderEvent](r, "any") },
		"is registered twice,": func(r *mainstem.Registry[OrderEvent]) { mainstem.Register[Placed](r, "again") },
		`"placed" is regis`:    func(r *mainstem.Registry[OrderEvent]) { mainstem.Register[Shipped](r, "shipped", "placed") },
		"name is empty":        func(r *mainstem.Registry[OrderEvent]) { mainstem.Register[Shipped](r, "") },
	} {
		r := orderEvents()
		register(r)
		_, encoding := r.Encode(Placed{})
		_, decoding := r.Decode(mainstem.Event{Type: "placed", Data: []byte("{}")})
		for _, err := range []error{r.Err(), encoding, decoding} {
			if mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, must be invalid and say %q", err, want)
			}
		}
	}
	if err := orderEvents().Err(); err != nil {
		t.Error(err)
	}
}

func TestText(t *testing.T) {
	c := mainstem.Text()
	if _, err := c.Encode("\xff"); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("bytes that are no UTF-8 are encoded: %v", err)
	}
	if _, err := c.Decode([]byte("\xff")); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("bytes that are no UTF-8 are decoded: %v", err)
	}
	if s, err := c.Decode([]byte("é")); err != nil || s != "é" {
		t.Errorf("%q, %v", s, err)
	}
}
