package mainstem

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// Scan yields the keys in [from, to) in order, with this transaction's own
// writes. It depends on every key of the part that was read, those that are
// not there included, so no phantom can slip in.
func (tx *Txn) Scan(ctx context.Context, from, to string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		s, err := tx.view(ctx)
		if err != nil {
			yield(Version{}, err)
			return
		}
		own := tx.writtenIn(from, to)
		depend := func(end string) {
			tx.depends("r"+from+"\x00"+end, RangeUnchanged{From: from, To: end, Since: s.Stamp().Position})
		}
		for v, err := range scan(ctx, s, tx.group.name, from, to) {
			if err != nil {
				yield(Version{}, err)
				return
			}
			// Own keys that sort before the stored one come first.
			for len(own) > 0 && own[0] < v.Name {
				if !tx.yieldOwn(own[0], yield) {
					depend(v.Name)
					return
				}
				own = own[1:]
			}
			if len(own) > 0 && own[0] == v.Name {
				own = own[1:]
			}
			if v = tx.apply(v); v.Exists && !yield(v, nil) {
				depend(v.Name + "\x00")
				return
			}
		}
		depend(to)
		for _, name := range own {
			if !tx.yieldOwn(name, yield) {
				return
			}
		}
	}
}

// yieldOwn yields a key that only this transaction has written.
func (tx *Txn) yieldOwn(name string, yield func(Version, error) bool) bool {
	v := tx.apply(Version{Name: name})
	return !v.Exists || yield(v, nil)
}

func (tx *Txn) writtenIn(from, to string) []string {
	var names []string
	tx.note()
	for name := range tx.keys {
		if name >= from && (to == "" || strings.Compare(name, to) < 0) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
