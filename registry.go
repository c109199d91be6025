package mainstem

import (
	"reflect"
	"slices"
)

// Registry maps the Go types behind an event interface E to stable names and
// codecs, so that a stored event never depends on a Go package or type name.
// Register every type before the first use; after that a Registry may be used
// from many goroutines.
//
// Mistakes in registering are kept: Err, and every use of the registry, report
// the first, so that registrations can stand in package variables.
type Registry[E any] struct {
	byType   map[reflect.Type]*eventType[E]
	byName   map[string]*eventType[E]
	fallback func(Event) (E, error)
	err      error
}

type eventType[E any] struct {
	name   string
	encode func(E) ([]byte, error)
	decode func([]byte) (E, error)
}

// NewRegistry makes an empty registry.
func NewRegistry[E any]() *Registry[E] {
	return &Registry[E]{byType: map[reflect.Type]*eventType[E]{}, byName: map[string]*eventType[E]{}}
}

// Register gives the concrete type C a stable name, for example
// "order.placed.v1", with JSON as its codec. Events stored under one of the
// older names are read as C too; new ones are always written under name. When
// the shape itself changes, register the new type beside the old one.
func Register[C, E any](r *Registry[E], name string, older ...string) {
	RegisterCodec(r, name, JSON[C](), older...)
}

// RegisterCodec is Register with another codec.
func RegisterCodec[C, E any](r *Registry[E], name string, codec Codec[C], older ...string) {
	goType := reflect.TypeFor[C]()
	t := &eventType[E]{
		name:   name,
		encode: func(e E) ([]byte, error) { return codec.Encode(any(e).(C)) },
		decode: func(b []byte) (E, error) {
			c, err := codec.Decode(b)
			if err != nil {
				var none E
				return none, err
			}
			return any(c).(E), nil
		},
	}
	switch {
	case goType.Kind() == reflect.Interface:
		r.mistake("type %s registered as %q is an interface; only concrete types have a name", goType, name)
	case !goType.AssignableTo(reflect.TypeFor[E]()):
		r.mistake("type %s registered as %q is no %s", goType, name, reflect.TypeFor[E]())
	case r.byType[goType] != nil:
		r.mistake("type %s is registered twice, as %q and as %q", goType, r.byType[goType].name, name)
	}
	for _, n := range slices.Concat([]string{name}, older) {
		if err := CheckName("event type", n); err != nil {
			r.mistake("type %s: %w", goType, err)
		}
		if r.byName[n] != nil {
			r.mistake("event type %q is registered twice, the second time for %s", n, goType)
		}
		r.byName[n] = t
	}
	r.byType[goType] = t
}

// mistake keeps the first.
func (r *Registry[E]) mistake(format string, args ...any) {
	if r.err == nil {
		r.err = Errorf(Invalid, format, args...)
	}
}

// Fallback declares what an event of an unregistered name is read as. Without
// it, such an event is Invalid.
func (r *Registry[E]) Fallback(read func(Event) (E, error)) { r.fallback = read }

// Err is the first mistake made in registering, or nil.
func (r *Registry[E]) Err() error { return r.err }

// Encode makes a stored event, for streams and for Txn.Emit. A type that is
// not registered is Invalid.
func (r *Registry[E]) Encode(e E) (Event, error) {
	if r.err != nil {
		return Event{}, r.err
	}
	goType := reflect.TypeOf(any(e))
	t := r.byType[goType]
	if t == nil {
		return Event{}, &Error{
			Code: Invalid, Message: typeName(goType) + " is not registered as an event",
			Advice: "Register it under a stable name before the first use",
		}
	}
	data, err := t.encode(e)
	if err != nil {
		return Event{}, Errorf(Invalid, "an event of type %q (%s) cannot be encoded: %w", t.name, goType, err)
	}
	return Event{Type: t.name, Data: data}, nil
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "a nil event"
	}
	return "type " + t.String()
}

// Decode reads a stored event. A name that is not registered goes to Fallback,
// or is Invalid.
func (r *Registry[E]) Decode(e Event) (E, error) {
	var none E
	if r.err != nil {
		return none, r.err
	}
	t := r.byName[e.Type]
	switch {
	case t != nil:
		v, err := t.decode(e.Data)
		if err != nil {
			return none, Errorf(Invalid, "an event of type %q cannot be decoded: %w", e.Type, err)
		}
		return v, nil
	case r.fallback != nil:
		return r.fallback(e)
	default:
		return none, &Error{
			Code: Invalid, Message: "no Go type is registered for event type " + quoteShort(e.Type),
			Advice: "Register the type that wrote it, or declare a Fallback",
		}
	}
}
