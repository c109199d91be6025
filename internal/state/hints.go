package state

import (
	"math"
	"math/bits"

	"github.com/mainstemdb/mainstem"
)

// Hints is what a writer knows of the rows without reading them. A hint only
// ever saves a read: each is a bound that holds whatever was forgotten, or was
// written and then lost, so that no decision depends on it. Nil knows nothing.
//
// Of every key it keeps a bound on the position of its newest version, in one
// word per key: a table of buckets, a cache line each, as in a set-associative
// cache. A condition that nothing changed since p holds at once when the bound
// is at most p; a key whose bound is 0 was never there.
type Hints struct {
	buckets []bucketOfHints
	// floor bounds the position of whatever was written before there were hints.
	floor mainstem.Position
	// expiry is a log age before which no key may expire.
	expiry mainstem.LogAge
	// numbers are those of library-made IDs that have committed.
	numbers map[mainstem.SessionID]*numbers
	// recent are the numbers of the session asked for last: mostly there is one.
	recent   *numbers
	recentOf mainstem.SessionID
}

// numbers of one session: which of the newest may have committed. Calls at the
// same time arrive out of order, and only a retry is to look for a receipt.
type numbers struct {
	floor, newest uint64 // nothing is known up to floor
	bits          [numbersKept / 64]uint64
}

// Limits of what is known of numbers.
const (
	numbersKept  = 1 << 12 // of a session: those up to the newest
	sessionsKept = 1 << 8
)

// bucketOfHints is a floor, for the keys that the bucket has forgotten, and
// one word per key it knows.
type bucketOfHints struct {
	floor mainstem.Position
	keys  [hintsPerBucket]hint
}

const (
	hintsPerBucket = 7
	hintBytes      = 8 * (1 + hintsPerBucket) // of a bucket
	// tagBits of a hint tell apart the keys of one bucket; two with the same
	// tag share the higher bound, which costs a read now and then.
	tagBits = 8
)

// hint is a tag and a position; 0 is none.
type hint uint64

const hintPosition = 1<<(64-tagBits) - 1

// NewHints is hints that take about that many bytes, for rows that hold
// nothing newer than last.
func NewHints(bytes int64, last mainstem.Position) *Hints {
	return &Hints{buckets: make([]bucketOfHints, max(1, bytes/hintBytes)), floor: last}
}

// newest bounds the position of the newest version of the key whose rows have
// this prefix; likely says that there probably is a version at the bound.
func (h *Hints) newest(prefix []byte) (bound mainstem.Position, likely bool) {
	if h == nil {
		return math.MaxUint64, false
	}
	b, tag := h.bucket(prefix)
	for _, k := range b.keys {
		if k != 0 && k>>(64-tagBits) == tag {
			return mainstem.Position(k & hintPosition), true
		}
	}
	return max(b.floor, h.floor), false
}

// note says that the key has a version at p, the newest position of all. What a
// read has found would not do: another key of the same tag, forgotten before,
// may be newer.
func (h *Hints) note(prefix []byte, p mainstem.Position) {
	if h == nil {
		return
	}
	b, tag := h.bucket(prefix)
	if p > hintPosition { // after 2^16 restores
		b.floor = max(b.floor, p)
		b.keys = [hintsPerBucket]hint{}
		return
	}
	oldest := 0
	for i, k := range b.keys {
		if k == 0 || k>>(64-tagBits) == tag {
			b.keys[i] = tag<<(64-tagBits) | hint(p)
			return
		}
		if k&hintPosition < b.keys[oldest]&hintPosition {
			oldest = i
		}
	}
	b.floor = max(b.floor, mainstem.Position(b.keys[oldest]&hintPosition))
	b.keys[oldest] = tag<<(64-tagBits) | hint(p)
}

// bucket is where the key is, and its tag there.
func (h *Hints) bucket(prefix []byte) (*bucketOfHints, hint) {
	sum := hashOf(0, prefix)
	at, _ := bits.Mul64(sum, uint64(len(h.buckets)))
	return &h.buckets[at], hint(sum & (1<<tagBits - 1))
}

// NextExpiry is a log age before which no key expires.
func (h *Hints) NextExpiry() mainstem.LogAge {
	if h == nil {
		return 0
	}
	return h.expiry
}

// Forget says that expiries which a step has dealt with may be due all the
// same: its record is lost.
func (h *Hints) Forget() { h.expires(0) }

// expires says that no key expires before that log age.
func (h *Hints) expires(first mainstem.LogAge) {
	if h != nil {
		h.expiry = first
	}
}

// expiring says that a key may expire at that log age.
func (h *Hints) expiring(until mainstem.LogAge) {
	if h != nil {
		h.expiry = min(h.expiry, until)
	}
}

// committed says that an ID has committed, in a session whose newest number is
// now that.
func (h *Hints) committed(id mainstem.ID, newest uint64) {
	if h == nil {
		return
	}
	n := h.of(id.Session)
	if n == nil {
		if h.numbers == nil || len(h.numbers) >= sessionsKept {
			h.numbers = make(map[mainstem.SessionID]*numbers)
		}
		n = new(numbers)
		h.numbers[id.Session], h.recent = n, nil
		n.floor, n.newest = newest, newest
	}
	if newest > n.newest && newest-n.newest >= numbersKept {
		n.floor, n.newest = newest, newest
	}
	for n.newest < newest {
		n.newest++
		*n.word(n.newest) &^= 1 << (n.newest % 64)
	}
	if n.newest >= numbersKept {
		n.floor = max(n.floor, n.newest-numbersKept+1)
	}
	if id.Number > n.floor {
		*n.word(id.Number) |= 1 << (id.Number % 64)
	}
}

// of are the numbers of a session, or nil.
func (h *Hints) of(id mainstem.SessionID) *numbers {
	if h.recent == nil || h.recentOf != id {
		h.recent, h.recentOf = h.numbers[id], id
	}
	return h.recent
}

func (n *numbers) word(number uint64) *uint64 { return &n.bits[number/64%uint64(len(n.bits))] }

// unknown reports that an ID has certainly not committed.
func (h *Hints) unknown(id mainstem.ID) bool {
	if h == nil {
		return false
	}
	n := h.of(id.Session)
	if n == nil || id.Number <= n.floor {
		return false
	}
	return id.Number > n.newest || *n.word(id.Number)&(1<<(id.Number%64)) == 0
}
