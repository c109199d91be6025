package mainstem

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Txn collects what a function reads and asks for; Group.Do sends it as one
// Transaction. Every read becomes a condition, and sees what the function
// itself has asked for before. A Txn is for one goroutine and ends with its
// function.
type Txn struct {
	group    Group
	doing    *doing
	snapshot Snapshot // opened by the first read

	reads      []Condition
	read       map[string]bool // kind and name of reads already conditioned
	required   []Condition
	operations []Operation

	// What a read has to show of the operations so far, the first noted of
	// them; most transactions write what they did not read, and need none.
	noted  int
	keys   map[string]pending // keys written by this transaction
	events map[string][]Event // streams appended to by this transaction

	reply   []byte
	refused bool

	sent Transaction
	// Most transactions have one condition and one operation, which lie here.
	oneRequired  [1]Condition
	oneOperation [1]Operation
}

func (tx *Txn) begin(d *doing) {
	tx.group, tx.doing = d.group, d
	tx.required, tx.operations = tx.oneRequired[:0], tx.oneOperation[:0]
}

// pending is a key as this transaction leaves it.
type pending struct {
	version Version // valid unless added
	added   bool    // only additions so far: the value is what is stored plus delta
	delta   int64
}

// Outcome names one operation of a transaction, to find its Result in the
// Receipt of the same Do. The zero Outcome names none: a replayed receipt comes
// without the function having run, and what the function would have set is then
// still zero. Results of a replay are in Receipt.Results, in the order of the
// operations; better give callers what they need as the reply, with Call.
type Outcome int

// Of is the operation's result; the zero Result of the zero Outcome, of a
// refusal, which has no results, and of a receipt that lacks the operation.
func (o Outcome) Of(r *Receipt) Result {
	if o < 1 || int(o) > len(r.Results) {
		return Result{}
	}
	return r.Results[o-1]
}

// Group is the group the transaction works in.
func (tx *Txn) Group() Group { return tx.group.db.Group(tx.group.name) }

// Operate asks for any operation; the methods below are its short forms.
func (tx *Txn) Operate(o Operation) Outcome {
	tx.operations = append(tx.operations, o)
	return Outcome(len(tx.operations))
}

// note catches up with the operations, before a read.
func (tx *Txn) note() {
	if tx.noted < len(tx.operations) && tx.keys == nil {
		tx.keys, tx.events = map[string]pending{}, map[string][]Event{}
	}
	for ; tx.noted < len(tx.operations); tx.noted++ {
		tx.noteOne(tx.operations[tx.noted])
	}
}

// written is a key as the operations so far leave it, if they wrote it.
func (tx *Txn) written(name string) (pending, bool) {
	tx.note()
	p, ok := tx.keys[name]
	return p, ok
}

// appended is the events that the operations so far append to a stream.
func (tx *Txn) appended(stream string) []Event {
	tx.note()
	return tx.events[stream]
}

func (tx *Txn) noteOne(o Operation) {
	switch o := o.(type) {
	case Put:
		tx.keys[o.Name] = pending{version: Version{Name: o.Name, Exists: true, Value: o.Value}}
	case Delete:
		tx.keys[o.Name] = pending{version: Version{Name: o.Name}}
	case Add:
		p, written := tx.keys[o.Name]
		switch {
		case written && !p.added:
			p.version.Exists, p.version.Value = true, Int(p.version.Value.Int+o.Delta)
		default:
			p.added, p.delta = true, p.delta+o.Delta
		}
		tx.keys[o.Name] = p
	case Append:
		tx.events[o.Stream] = append(tx.events[o.Stream], o.Events...)
	}
}

// Put sets a key to bytes, for ever.
func (tx *Txn) Put(name string, value []byte) Outcome {
	return tx.Operate(Put{Name: name, Value: Bytes(value)})
}

// PutFor sets a key to bytes, for at least ttl of log age.
func (tx *Txn) PutFor(name string, value []byte, ttl time.Duration) Outcome {
	return tx.Operate(Put{Name: name, Value: Bytes(value), TTL: ttl})
}

// Set sets a counter.
func (tx *Txn) Set(name string, n int64) Outcome {
	return tx.Operate(Put{Name: name, Value: Int(n)})
}

// Delete removes a key.
func (tx *Txn) Delete(name string) Outcome { return tx.Operate(Delete{Name: name}) }

// Bound limits an Add.
type Bound struct{ floor, ceiling *int64 }

// Floor makes an addition fail as OutOfRange rather than end below n.
func Floor(n int64) Bound { return Bound{floor: &n} }

// Ceiling makes an addition fail as OutOfRange rather than end above n.
func Ceiling(n int64) Bound { return Bound{ceiling: &n} }

// Add adds to a counter without reading it; the result is in the receipt, also
// in that of a replay: Receipt.Results, where Outcome does not reach.
func (tx *Txn) Add(name string, delta int64, bounds ...Bound) Outcome {
	o := Add{Name: name, Delta: delta}
	for _, b := range bounds {
		if b.floor != nil {
			o.Floor = b.floor
		}
		if b.ceiling != nil {
			o.Ceiling = b.ceiling
		}
	}
	return tx.Operate(o)
}

// Append adds events to a stream; the new length is in the receipt.
func (tx *Txn) Append(stream string, events ...Event) Outcome {
	return tx.Operate(Append{Stream: stream, Events: events})
}

// Emit puts an event into the feed only.
func (tx *Txn) Emit(topic string, e Event) Outcome { return tx.Operate(Emit{Topic: topic, Event: e}) }

// Require adds a condition by hand.
func (tx *Txn) Require(c Condition) { tx.required = append(tx.required, c) }

// Reply sets what every attempt under this ID is answered.
func (tx *Txn) Reply(reply []byte) { tx.reply = reply }

// errRefused is how Refuse ends a function.
var errRefused = errors.New("mainstem: refused; return the error of Refuse from the function unchanged")

// Refuse ends the function with a refusal that is remembered under the ID: a
// retry gets the same refusal, and the function does not run. What the
// function asked for is dropped. Return its error from the function.
func (tx *Txn) Refuse(reply []byte) error {
	tx.refused, tx.reply = true, reply
	return errRefused
}

func (tx *Txn) view(ctx context.Context) (Snapshot, error) {
	if tx.snapshot != nil {
		return tx.snapshot, nil
	}
	s, err := tx.doing.view(ctx)
	if err != nil {
		return nil, err
	}
	tx.snapshot = s
	return s, nil
}

// require notes the condition that a read implies, once.
func (tx *Txn) depends(key string, c Condition) {
	if !tx.read[key] {
		if tx.read == nil {
			tx.read = map[string]bool{}
		}
		tx.read[key] = true
		tx.reads = append(tx.reads, c)
	}
}

// Get reads one key.
func (tx *Txn) Get(ctx context.Context, name string) (Version, error) {
	p, written := tx.written(name)
	if written && !p.added {
		return p.version, nil
	}
	s, err := tx.view(ctx)
	if err != nil {
		return Version{}, err
	}
	v, err := get(ctx, s, tx.group.name, name)
	if err != nil {
		return Version{}, err
	}
	tx.depends("k"+name, KeyUnchanged{Name: name, Since: s.Stamp().Position})
	return tx.apply(v), nil
}

// apply shows a stored version as this transaction leaves it.
func (tx *Txn) apply(v Version) Version {
	p, written := tx.written(v.Name)
	switch {
	case !written:
	case p.added:
		v.Exists, v.Value = true, Int(v.Value.Int+p.delta)
	default:
		v = p.version
	}
	return v
}

// Events yields the events of a stream after the given number. Reading to the
// end depends on the stream's length; stopping before does not, since events
// never change.
func (tx *Txn) Events(ctx context.Context, stream string, after uint64) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		s, err := tx.view(ctx)
		if err != nil {
			yield(Recorded{}, err)
			return
		}
		for e, err := range events(ctx, s, tx.group.name, stream, after) {
			if !yield(e, err) || err != nil {
				return
			}
		}
		stored, err := tx.storedLength(ctx, stream)
		if err != nil {
			yield(Recorded{}, err)
			return
		}
		for i, e := range tx.appended(stream) {
			if n := stored + uint64(i) + 1; n > after && !yield(Recorded{Event: e, Number: n}, nil) {
				return
			}
		}
	}
}

// Length is the number of events in a stream, this transaction's included.
func (tx *Txn) Length(ctx context.Context, stream string) (uint64, error) {
	n, err := tx.storedLength(ctx, stream)
	return n + uint64(len(tx.appended(stream))), err
}

func (tx *Txn) storedLength(ctx context.Context, stream string) (uint64, error) {
	s, err := tx.view(ctx)
	if err != nil {
		return 0, err
	}
	n, err := length(ctx, s, tx.group.name, stream)
	if err == nil {
		tx.depends("s"+stream, StreamLength{Stream: stream, Length: n})
	}
	return n, err
}

// transaction is what the function asked for, ready to be sent.
func (tx *Txn) transaction() *Transaction {
	t := &tx.sent
	t.Group, t.Conditions, t.Operations = tx.group.name, tx.required, tx.operations
	t.Reply, t.Refused = tx.reply, tx.refused
	if len(tx.reads) > 0 {
		t.Conditions = append(tx.reads, tx.required...)
	}
	if tx.refused {
		t.Operations = nil
	}
	return t
}

func (tx *Txn) close() error {
	if tx.snapshot == nil {
		return nil
	}
	if err := tx.snapshot.Close(); err != nil {
		return fmt.Errorf("closing the transaction's view: %w", err)
	}
	return nil
}
