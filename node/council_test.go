package node

import (
	"log/slog"
	"testing"

	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
)

// TestLateDigest: a digest that this node has only after a record settled it, or after
// another node asked for a vote, is told all the same, and once (L12).
func TestLateDigest(t *testing.T) {
	own := record.Vote{Settled: 7, Range: 3, Digest: [16]byte{1}}
	for name, begin := range map[string]func(p *partition){
		"behind the record": func(p *partition) {
			p.council.recorded = record.Checkpoint{Settled: 7, Range: 3, Digest: [16]byte{2}}
		},
		"behind a vote": func(p *partition) {
			p.tail.Votes = []state.Vote{{Node: "b", Vote: record.Vote{Settled: 7, Range: 3, Digest: [16]byte{2}}}}
		},
	} {
		p := &partition{tail: &state.Tail{}, logger: slog.New(slog.DiscardHandler)}
		c := &p.council
		c.init()
		begin(p)
		if p.voteLate(); c.vote != nil {
			t.Fatalf("%s: a vote without a digest: %+v", name, c.vote)
		}
		c.found <- own
		c.learn()
		p.voteLate()
		if c.vote == nil || *c.vote != own {
			t.Fatalf("%s: the vote is %+v, want %+v", name, c.vote, own)
		}
		c.told, c.vote = own.Settled, nil // as speak does
		if p.voteLate(); c.vote != nil {
			t.Errorf("%s: a second vote", name)
		}
	}
	same := &partition{tail: &state.Tail{}, logger: slog.New(slog.DiscardHandler)}
	same.council.init()
	same.council.recorded = record.Checkpoint{Settled: 7, Range: 3, Digest: own.Digest}
	same.council.found <- own
	same.council.learn()
	if same.voteLate(); same.council.vote != nil {
		t.Error("a node that agrees has voted")
	}
}
