package state

import (
	"bytes"
	"iter"
	"slices"
)

// Overlay is rows that show speculative writes on top of a base, each as part
// of the record it belongs to. Speculative effects live here and nowhere else
// until their record is durable (L4).
//
// Invariant: layers are in the order of their indexes, without an empty one.
type Overlay struct {
	base   Rows
	seed   uint64
	layers []*layer
	spares []*layer // dropped, to be used again: of a record that flies, and of the next
}

// NewOverlay puts an empty overlay on base. Base may gain rows that the
// overlay already shows, and nothing else. The seed decides where rows lie in
// memory, and no answer: one that callers do not know keeps them from choosing
// names that are slow to find.
func NewOverlay(base Rows, seed uint64) *Overlay { return &Overlay{base: base, seed: seed} }

// Put shows a copy of a write of the record with this index, which must be the
// newest here. Range deletions are not shown: no rule reads what they delete.
func (o *Overlay) Put(w Write, index uint64) {
	n := len(o.layers)
	if n == 0 || o.layers[n-1].index != index {
		o.layers = append(o.layers, o.layer(index))
	}
	o.layers[len(o.layers)-1].put(w)
}

// layer is an empty one.
func (o *Overlay) layer(index uint64) *layer {
	n := len(o.spares) - 1
	if n < 0 {
		return &layer{seed: o.seed, index: index}
	}
	l := o.spares[n]
	o.spares = o.spares[:n]
	l.index = index
	return l
}

// Writes is what a record does to the rows: in order, and of several writes of
// one row only the last. They are good until the record is dropped.
func (o *Overlay) Writes(index uint64) []Write {
	for _, l := range o.layers {
		if l.index == index {
			return l.kept()
		}
	}
	return nil
}

// Drop forgets one record: the base shows its writes now, or nobody ever will.
func (o *Overlay) Drop(index uint64) {
	o.layers = slices.DeleteFunc(o.layers, func(l *layer) bool {
		if l.index != index {
			return false
		}
		if len(o.spares) < 2 {
			o.spares = append(o.spares, l.again())
		}
		return true
	})
}

// Settle does what reading would do on the way: from here on, until the next
// Put, several may read at once.
func (o *Overlay) Settle() {
	for _, l := range o.layers {
		l.settle()
	}
}

// Get is Rows.Get.
func (o *Overlay) Get(key []byte) ([]byte, bool, error) {
	for _, l := range slices.Backward(o.layers) {
		if w, ok := l.get(key); ok {
			return w.Value, !w.Delete, nil
		}
	}
	return o.base.Get(key)
}

// First is Rows.First.
func (o *Overlay) First(from, to []byte) (Row, bool, error) {
	own := o.between(from, to)
	if len(own) == 0 {
		return o.base.First(from, to)
	}
	for row, err := range merged(own, o.base.Scan(from, to), 1) {
		return row, err == nil, err
	}
	return Row{}, false, nil
}

// Scan is Rows.Scan.
func (o *Overlay) Scan(from, to []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		merged(o.between(from, to), o.base.Scan(from, to), 1)(yield)
	}
}

// ScanBack is Rows.ScanBack.
func (o *Overlay) ScanBack(from, to []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		own := o.between(from, to)
		slices.Reverse(own)
		merged(own, o.base.ScanBack(from, to), -1)(yield)
	}
}

// between is the speculative writes in a range, by key: of each row the newest.
func (o *Overlay) between(from, to []byte) []*Write {
	var own []*Write
	for _, l := range o.layers {
		order := l.between(from, to)
		if len(order) == 0 {
			continue
		}
		next := make([]*Write, 0, len(own)+len(order))
		for _, i := range order {
			w := &l.writes[i]
			n, same := slices.BinarySearchFunc(own, w.Key, func(w *Write, key []byte) int { return bytes.Compare(w.Key, key) })
			next = append(append(next, own[:n]...), w)
			if same {
				n++
			}
			own = own[n:]
		}
		own = append(next, own...)
	}
	return own
}

// merged is own and base rows in one order; own hides base.
func merged(own []*Write, base iter.Seq2[Row, error], direction int) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		emit := func(w *Write) bool { return w.Delete || yield(Row{Key: w.Key, Value: w.Value}, nil) }
		for row, err := range base {
			if err != nil {
				yield(Row{}, err)
				return
			}
			for len(own) > 0 && bytes.Compare(own[0].Key, row.Key)*direction < 0 {
				if !emit(own[0]) {
					return
				}
				own = own[1:]
			}
			if len(own) > 0 && bytes.Equal(own[0].Key, row.Key) {
				if !emit(own[0]) {
					return
				}
				own = own[1:]
				continue
			}
			if !yield(row, nil) {
				return
			}
		}
		for _, w := range own {
			if !emit(w) {
				return
			}
		}
	}
}
