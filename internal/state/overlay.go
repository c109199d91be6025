package state

import (
	"bytes"
	"iter"

	"github.com/google/btree"
)

// Overlay is rows that show speculative writes on top of a base, each marked
// with the index of the record it belongs to. Speculative effects live here
// and nowhere else until their record is durable (L4).
type Overlay struct {
	base Rows
	tree *btree.BTreeG[speculative]
}

type speculative struct {
	Write
	index uint64
}

// NewOverlay puts an empty overlay on base. Base may gain rows that the
// overlay already shows, and nothing else.
func NewOverlay(base Rows) *Overlay {
	return &Overlay{base: base, tree: btree.NewG(32, func(a, b speculative) bool { return bytes.Compare(a.Key, b.Key) < 0 })}
}

// Put shows a write of the record with this index. Range deletions are not
// shown: no rule reads what they delete.
func (o *Overlay) Put(w Write, index uint64) {
	if w.End == nil {
		o.tree.ReplaceOrInsert(speculative{Write: w, index: index})
	}
}

// Drop forgets the writes of all records up to index: the base shows them now.
func (o *Overlay) Drop(index uint64, writes []Write) {
	for _, w := range writes {
		if w.End != nil {
			continue
		}
		if s, ok := o.tree.Get(speculative{Write: w}); ok && s.index <= index {
			o.tree.Delete(s)
		}
	}
}

// Get is Rows.Get.
func (o *Overlay) Get(key []byte) ([]byte, bool, error) {
	if s, ok := o.tree.Get(speculative{Write: Write{Key: key}}); ok {
		return s.Value, !s.Delete, nil
	}
	return o.base.Get(key)
}

// First is Rows.First.
func (o *Overlay) First(from, to []byte) (Row, bool, error) {
	var own speculative
	found, deleted := false, false
	o.tree.AscendRange(speculative{Write: Write{Key: from}}, speculative{Write: Write{Key: to}}, func(s speculative) bool {
		own, found, deleted = s, true, s.Delete
		return false
	})
	if deleted {
		// Rare: walk both.
		for row, err := range o.Scan(from, to) {
			return row, err == nil, err
		}
		return Row{}, false, nil
	}
	row, ok, err := o.base.First(from, to)
	if err != nil {
		return Row{}, false, err
	}
	if found && (!ok || bytes.Compare(own.Key, row.Key) <= 0) {
		return Row{Key: own.Key, Value: own.Value}, true, nil
	}
	return row, ok, nil
}

// Scan is Rows.Scan.
func (o *Overlay) Scan(from, to []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var own []speculative
		o.tree.AscendRange(speculative{Write: Write{Key: from}}, speculative{Write: Write{Key: to}}, func(s speculative) bool {
			own = append(own, s)
			return true
		})
		merge(own, o.base.Scan(from, to), 1, yield)
	}
}

// ScanBack is Rows.ScanBack.
func (o *Overlay) ScanBack(from, to []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		var own []speculative
		o.tree.AscendRange(speculative{Write: Write{Key: from}}, speculative{Write: Write{Key: to}}, func(s speculative) bool {
			own = append(own, s)
			return true
		})
		for i, k := 0, len(own)-1; i < k; i, k = i+1, k-1 {
			own[i], own[k] = own[k], own[i]
		}
		merge(own, o.base.ScanBack(from, to), -1, yield)
	}
}

// merge yields own and base rows in one order; own hides base.
func merge(own []speculative, base iter.Seq2[Row, error], direction int, yield func(Row, error) bool) {
	emit := func(s speculative) bool { return s.Delete || yield(Row{Key: s.Key, Value: s.Value}, nil) }
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
	for _, s := range own {
		if !emit(s) {
			return
		}
	}
}
