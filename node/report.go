package node

import (
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// Report is what a partition says of itself.
type Report struct {
	Partition   int                  `json:"partition"`
	Error       string               `json:"error,omitempty"`
	Incarnation mainstem.Incarnation `json:"incarnation"`
	// Generation is the log in use, by its UUID.
	Generation string `json:"generation"`
	// Index and Hash are those of the last record, Position of the last
	// transaction.
	Index    mainstem.Position `json:"index"`
	Hash     string            `json:"hash"`
	Position mainstem.Position `json:"position"`
	// Version is the one in force, of records, rules and digests.
	Version uint8 `json:"version"`
	// Oldest is the oldest position whose record is kept.
	Oldest mainstem.Position `json:"oldest"`
	// Age is the log age at the last record and Now the one now; Wall is the
	// last record's wall time.
	Age  mainstem.LogAge `json:"age"`
	Now  mainstem.LogAge `json:"now"`
	Wall time.Time       `json:"wall"`
	// LeapUsed is how much age was taken from wall clocks within the last ID
	// age, LeapLeft how much may still be. With nothing left, time that passes
	// while the database is closed counts for nothing: IDs and leases live
	// longer by it (L6).
	LeapUsed string `json:"leap_used"`
	LeapLeft string `json:"leap_left"`
	// IDs is how many of the callers' own IDs are remembered.
	IDs uint64 `json:"ids"`
	// Horizon is the oldest position at which every key can be read.
	Horizon   mainstem.Position   `json:"horizon"`
	Snapshots []mainstem.Position `json:"snapshots"`
	// Writer is the node that wrote last, and Members are all there are, of a
	// shared log.
	Writer  string       `json:"writer,omitempty"`
	Members []NodeReport `json:"members,omitempty"`
	// Contested says which nodes have which digest, while they do not agree.
	Contested []string `json:"contested,omitempty"`
}

// NodeReport is what a node has said of itself.
type NodeReport struct {
	Name string `json:"name"`
	record.Member
}

// Reports describes every partition.
func (n *Node) Reports() []Report {
	all := make([]Report, 0, len(n.parts))
	for _, p := range n.parts {
		all = append(all, p.report())
	}
	return all
}

// Database is the identity of the database, which it keeps when it moves.
func (n *Node) Database() record.UUID {
	for _, p := range n.parts {
		if newest := p.newest.Load(); newest != nil {
			return p.database(newest.tail)
		}
	}
	return n.cfg.Database
}

// Guarantees are what the engine's acknowledgement means: of the log in use, or while
// partitions are on different ones, of one that is weak, if there is one.
func (n *Node) Guarantees() journal.Guarantees {
	for _, p := range n.parts {
		if g := p.log().guarantees; len(g.Weak) > 0 {
			return g
		}
	}
	return n.parts[0].log().guarantees
}

func (p *partition) report() Report {
	r := Report{Partition: p.id, Snapshots: []mainstem.Position{}}
	rows, release, t, err := p.reading()
	if err != nil {
		r.Error = err.Error()
		return r
	}
	defer release()
	r.Generation = p.log().id.String()
	r.Incarnation, r.Index, r.Hash, r.Position = t.Incarnation, mainstem.Position(t.Head.Index), t.Head.Hash.String(), t.Last
	r.Version = t.Version
	r.Age, r.Now, r.Wall = t.Age, p.age(t), wallTime(t.Wall)
	left := t.LeapBudget(r.Now)
	r.LeapLeft = time.Duration(left).String()
	r.LeapUsed = time.Duration(t.Settings.IDAge/4 - left).String()
	r.IDs, r.Horizon = t.IDs(), t.NewestHorizon()
	if place, ok, err := state.OldestPlace(rows); err != nil {
		r.Error = err.Error()
	} else if ok {
		r.Oldest = place.First
	}
	if p.shared() {
		r.Writer = t.Writer
	}
	for _, m := range t.Members {
		r.Members = append(r.Members, NodeReport{Name: m.Name, Member: m.Member})
	}
	for _, v := range t.Votes {
		r.Contested = append(r.Contested, fmt.Sprintf("node %s: record %d, range %d, digest %x", v.Node, v.Settled, v.Range, v.Digest))
	}
	kept, err := p.snapshots()
	if err != nil {
		r.Error = err.Error()
	}
	for _, s := range kept {
		r.Snapshots = append(r.Snapshots, mainstem.Position(s.index))
	}
	return r
}
