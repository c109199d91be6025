package state

import (
	"cmp"
	"slices"

	"github.com/mainstemdb/mainstem/internal/record"
)

// admitMember follows what a record says of the node that wrote it.
func (s *Step) admitMember(h *record.Header) {
	t := s.Tail
	aside := h.Member != nil || h.Vote != nil || h.Prepare != nil || h.Moved != nil
	if !aside || h.Count > 0 || h.Checkpoint != nil {
		t.Writer = h.Node
	}
	if h.Successor != "" {
		t.Writer = h.Successor
	}
	if h.Member != nil {
		t.Members = slices.DeleteFunc(slices.Clone(t.Members), func(m Member) bool { return m.Name == h.Node })
		if !h.Member.Gone {
			t.Members = append(t.Members, Member{Name: h.Node, Member: *h.Member})
			slices.SortFunc(t.Members, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
		}
	}
	if v := h.Vote; v != nil && v.Settled > t.Decided.Settled {
		// A vote about another record than those before begins anew.
		t.Votes = slices.DeleteFunc(slices.Clone(t.Votes), func(o Vote) bool { return o.Node == h.Node || o.Settled != v.Settled })
		t.Votes = append(t.Votes, Vote{Node: h.Node, Vote: *v})
		if digest, decided := t.majority(); decided {
			t.Votes, t.Decided = nil, record.Vote{Settled: v.Settled, Range: v.Range, Digest: digest}
		}
	}
}

// Member finds a member by its name.
func (t *Tail) Member(name string) (Member, bool) {
	i := slices.IndexFunc(t.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return t.Members[i], true
}

// Unable are the members whose programs do not know a version.
func (t *Tail) Unable(version uint8) (unable []Member) {
	for _, m := range t.Members {
		if !m.Knows(version) {
			unable = append(unable, m)
		}
	}
	return unable
}

// majority is the digest that more than half of the members have voted for.
func (t *Tail) majority() (digest [16]byte, decided bool) {
	digest, most, _ := t.count()
	return digest, 2*most > len(t.Members)
}

// Split reports whether the votes can come to no majority any more.
func (t *Tail) Split() bool {
	_, most, voted := t.count()
	return len(t.Votes) > 0 && 2*(most+len(t.Members)-voted) <= len(t.Members)
}

// count counts the votes of members, and those for the digest that has most.
func (t *Tail) count() (digest [16]byte, most, voted int) {
	count := map[[16]byte]int{}
	for _, v := range t.Votes {
		if _, member := t.Member(v.Node); !member {
			continue
		}
		voted++
		if count[v.Digest]++; count[v.Digest] > most {
			digest, most = v.Digest, count[v.Digest]
		}
	}
	return digest, most, voted
}

func encodeMembers(w *writer, t *Tail) {
	w.uint(uint64(len(t.Members)))
	for _, m := range t.Members {
		w.string(m.Name)
		w.string(m.Address)
		w.string(m.Zone)
		w.string(m.Version)
		w.uint(uint64(m.Newest))
		w.uint(m.Flushed)
	}
	w.uint(uint64(len(t.Votes)))
	for _, v := range t.Votes {
		w.string(v.Node)
		w.vote(&v.Vote)
	}
	w.vote(&t.Decided)
}

func (w *writer) vote(v *record.Vote) {
	w.uint(v.Settled)
	w.uint(uint64(v.Range))
	w.raw(v.Digest[:])
}

func (r *reader) vote(v *record.Vote) {
	v.Settled, v.Range = r.uint(), uint8(r.uint())
	r.fill(v.Digest[:])
}

func decodeMembers(r *reader, t *Tail) {
	for range r.count(6) {
		m := Member{Name: r.string()}
		m.Address, m.Zone, m.Version, m.Newest, m.Flushed = r.string(), r.string(), r.string(), uint8(r.uint()), r.uint()
		t.Members = append(t.Members, m)
	}
	for range r.count(3 + 16) {
		v := Vote{Node: r.string()}
		r.vote(&v.Vote)
		t.Votes = append(t.Votes, v)
	}
	r.vote(&t.Decided)
}
