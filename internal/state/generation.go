package state

import (
	"slices"

	"github.com/mainstemdb/mainstem/internal/record"
)

// Generation is a log that the database has moved to. Its records up to the one
// that moved are a copy of the log before, byte for byte.
type Generation struct {
	record.Target
	// Moved is the index of the record that names this generation: the last of the
	// one before, whose UUID is Before.
	Moved  uint64
	Before record.UUID
}

// admitMove follows the record with which a log ends, and another goes on.
func (s *Step) admitMove(h *record.Header) {
	if h.Moved == nil {
		return
	}
	t := s.Tail
	t.Generations = append(slices.Clone(t.Generations), Generation{Target: *h.Moved, Moved: h.Index, Before: t.Generation})
	t.Generation = h.Moved.Generation
}

// Moved is the generation that the database has moved to at last, if it has ever.
func (t *Tail) Moved() (Generation, bool) {
	if n := len(t.Generations); n > 0 {
		return t.Generations[n-1], true
	}
	return Generation{}, false
}

// GenerationAt is the generation that the record with an index belongs to.
func (t *Tail) GenerationAt(index uint64) record.UUID {
	for _, g := range t.Generations {
		if index <= g.Moved {
			return g.Before
		}
	}
	return t.Generation
}

// moves reports whether the tail says anything of moves.
func (t *Tail) moves() bool {
	return len(t.Generations) > 0 || slices.ContainsFunc(t.Members, func(m Member) bool { return m.Reaches != record.UUID{} })
}

// generationSize is the least bytes of an encoded generation.
const generationSize = 2*16 + 32 + 4

// encodeGenerations adds nothing to the row of a database that neither moves nor has
// moved: so it is as it was before there were moves.
func encodeGenerations(w *writer, t *Tail) {
	if !t.moves() {
		return
	}
	w.uint(uint64(len(t.Generations)))
	for _, g := range t.Generations {
		w.raw(g.Generation[:])
		w.string(g.URL)
		w.uint(g.Base)
		w.raw(g.BaseHash[:])
		w.uint(g.Moved)
		w.raw(g.Before[:])
	}
	// What members say of the next one belongs to moves, too.
	for _, m := range t.Members {
		w.raw(m.Reaches[:])
	}
}

func decodeGenerations(r *reader, t *Tail) {
	if len(r.b) == 0 {
		return
	}
	for range r.count(generationSize) {
		var g Generation
		r.fill(g.Generation[:])
		g.URL, g.Base = r.string(), r.uint()
		r.fill(g.BaseHash[:])
		g.Moved = r.uint()
		r.fill(g.Before[:])
		t.Generations = append(t.Generations, g)
	}
	for i := range t.Members {
		r.fill(t.Members[i].Reaches[:])
	}
	r.bad = r.bad || !t.moves() // it would not have been written
}
