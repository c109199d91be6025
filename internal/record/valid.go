package record

import (
	"fmt"
	"math"

	"github.com/mainstemdb/mainstem"
)

// valid checks before writing what decoding checks after reading, so that no
// program writes a record that another must refuse or, worse, a transaction
// that has no effect elsewhere.
func (r *Record) valid() error {
	if what := r.Header.broken(); what != "" {
		return mainstem.Errorf(mainstem.Invalid, "record %d: %s", r.Index, what)
	}
	if uint64(r.Count) != uint64(len(r.Transactions)) {
		return mainstem.Errorf(mainstem.Invalid, "record %d counts %d transactions and holds %d", r.Index, r.Count, len(r.Transactions))
	}
	for i := range r.Transactions {
		t := &r.Transactions[i]
		if t.Undecodable {
			return mainstem.Errorf(mainstem.Invalid,
				"record %d: transaction %d could not be decoded and cannot be written again: keep the stored bytes", r.Index, i+1)
		}
		if t.Later < 0 {
			return mainstem.Errorf(mainstem.Invalid, "record %d: transaction %d was judged before the record was begun (L6)", r.Index, i+1)
		}
		for j := range t.Effects {
			if what := brokenEffect(&t.Effects[j]); what != "" {
				return mainstem.Errorf(mainstem.Invalid, "record %d: effect %d of transaction %d %s", r.Index, j+1, i+1, what)
			}
		}
	}
	return nil
}

// broken says which invariant of the header does not hold, if any.
func (h *Header) broken() string {
	switch {
	case h.Version < Oldest || h.Version > Newest:
		return fmt.Sprintf("is of version %d; this program knows %d to %d", h.Version, Oldest, Newest)
	case h.Successor != "" && !HandsOver(h.Version):
		return fmt.Sprintf("names a successor, which version %d cannot", h.Version)
	case h.Index == 0:
		return "has no index; the first is 1"
	case h.First == 0:
		return "has no first position; the first is 1"
	case uint64(h.Count) > math.MaxUint64-uint64(h.First):
		return "has positions beyond 64 bits"
	case h.Moved != nil && h.Count > 0:
		return "moves to another log and holds transactions"
	}
	if what := h.Prepare.broken(); what != "" {
		return what
	}
	return h.Moved.broken()
}

func brokenEffect(e *mainstem.Effect) string {
	switch {
	case e.Kind == 0 || e.Kind > mainstem.EffectPresent:
		return "is of no known kind"
	case e.Value.Counter && len(e.Value.Bytes) > 0, !e.Value.Counter && e.Value.Int != 0:
		return "has a value that is both a counter and bytes"
	}
	return ""
}
