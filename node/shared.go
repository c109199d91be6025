package node

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// Shared is what a node has to know where other nodes append to the same logs.
// Any node serves any request: writes go on to the node that wrote last, and
// reads are confirmed by it (L2, L8). A node on whose log nobody else appends has
// none of this.
type Shared struct {
	// Address is where other nodes reach this one, Zone where it stands, Version
	// the program's, for people. They are recorded under the node's name, which
	// no other node may have.
	Address, Zone, Version string
	// Dial opens the Backend of another node at its address: its Direct, which
	// decides by itself, so that nothing is forwarded twice.
	Dial func(address string) (mainstem.Backend, error)
	// Patience is how long another node may take to answer before this one acts
	// itself, and TakeOver the longest random pause before it does; 0 means the
	// defaults.
	Patience, TakeOver time.Duration
	// Spread is how often this node looks whether it writes two partitions more than
	// another one, and then hands one over; 0 means the default. Only logs of version
	// 2 know how.
	Spread time.Duration
	// Reach opens the logs at a URL, for a move; without it this node neither begins
	// one nor follows one. A URL is recorded for all nodes: there is no secret in it.
	Reach func(ctx context.Context, url string) (*journal.Database, error)
}

// Defaults and limits of nodes on a shared log (L10).
const (
	DefaultPatience = 2 * time.Second
	DefaultTakeOver = 200 * time.Millisecond
	DefaultSpread   = time.Second
	// LimitRaces is how often a transaction is judged again because another node
	// wrote first; then it is Overloaded.
	LimitRaces = 8
	// LimitContested is how long nodes may take to agree on a digest; then the
	// partition stops.
	LimitContested = 30 * time.Second
	// LimitName is the most bytes of a node's name, address, zone or version.
	LimitName = 255
)

func (s *Shared) validate(name string) error {
	if s == nil {
		return nil
	}
	for what, text := range map[string]string{"name": name, "address": s.Address, "zone": s.Zone, "version": s.Version} {
		if len(text) > LimitName {
			return mainstem.Errorf(mainstem.TooLarge, "%s of a node has %d bytes; the limit is %d", what, len(text), LimitName)
		}
	}
	switch {
	case name == "":
		return mainstem.Errorf(mainstem.Invalid, "a node of a shared log needs a name that no other node has")
	case s.Address != "" && s.Dial == nil:
		return mainstem.Errorf(mainstem.Invalid, "a node with an address needs a way to reach the others")
	case s.Patience < 0 || s.TakeOver < 0 || s.Spread < 0:
		return mainstem.Errorf(mainstem.Invalid, "patience %s, pause before taking over %s and before looking at shares %s must not be negative", s.Patience, s.TakeOver, s.Spread)
	}
	return nil
}

func (s *Shared) patience() time.Duration {
	if s.Patience > 0 {
		return s.Patience
	}
	return DefaultPatience
}

// pause is a random part of TakeOver, so that nodes do not all take over at once.
func (s *Shared) pause() time.Duration {
	most := s.TakeOver
	if most == 0 {
		most = DefaultTakeOver
	}
	return rand.N(most + 1)
}

// member is what this node records of itself.
func (s *Shared) member(flushed uint64) *record.Member {
	return &record.Member{Address: s.Address, Zone: s.Zone, Version: s.Version, Newest: record.Newest, Flushed: flushed}
}

// leads reports whether records that nobody asked for are this node's to write:
// those of time and of checkpoints.
func (p *partition) leads() bool { return !p.shared() || p.ahead.Writer == p.node.cfg.Name }

// probe is the name of a group in the partition, to ask other nodes about it.
func (n *Node) probe(partition int) string {
	for i := 0; ; i++ {
		if name := strconv.Itoa(i); n.partitionOf(name).id == partition {
			return name
		}
	}
}
