package node_test

import (
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
)

// versions are those of the records in a log, in order.
func versions(t *testing.T, s *sharedlog.Store) (all []uint8) {
	t.Helper()
	_, records := s.Records()
	for _, b := range records {
		h, err := record.Peek(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.Version)
	}
	return all
}

// startAnew ends a node and starts it with these options.
func (c *cluster) startAnew(m *member, opts ...embedded.Option) error {
	c.t.Helper()
	c.stop(m)
	m.opts = opts
	return c.tryStart(m)
}

// announce appends what a node says of itself whose program knows versions up to newest.
func (c *cluster) announce(name string, newest uint8) {
	c.t.Helper()
	_, records := c.store.Records()
	last, err := record.Decode(records[len(records)-1])
	if err != nil {
		c.t.Fatal(err)
	}
	head := journal.Head{Index: last.Index, Hash: journal.Sum(records[len(records)-1])}
	h := last.Header
	h.Index, h.PrevHash, h.First, h.Count = last.Index+1, head.Hash, last.Last()+1, 0
	h.Node, h.Member, h.Settings, h.Genesis, h.Checkpoint = name, &record.Member{Newest: newest}, nil, nil, nil
	b, err := record.Encode(nil, &record.Record{Header: h})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.store.Open().Append(c.t.Context(), head, b); err != nil {
		c.t.Fatal(err)
	}
}

// TestActivate: records stay in the version in force until an operator puts a higher
// one in force, and from that very record on all are of it, whoever writes them.
func TestActivate(t *testing.T) {
	c := gather(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.put(a, "k", "1")
	for i, v := range versions(t, c.store) {
		if v != record.First {
			t.Errorf("record %d is of version %d before anybody asked", i+1, v)
		}
	}
	before := len(versions(t, c.store))
	if err := c.startAnew(b, embedded.Activate(record.Newest)); err != nil {
		t.Fatal(err)
	}
	c.put(a, "k", "2")
	c.put(b, "k", "3")
	// Again, and without the word: it stays.
	for _, opts := range [][]embedded.Option{{embedded.Activate(record.Newest)}, nil, {embedded.Activate(record.First)}} {
		if err := c.startAnew(b, opts...); err != nil {
			t.Fatal(err)
		}
		c.put(b, "k", "4")
	}
	c.same()
	for i, v := range versions(t, c.store)[before:] {
		if v != record.Newest {
			t.Errorf("record %d after the word is of version %d", i+1, v)
		}
	}
	for _, m := range c.nodes {
		if v := m.report().Version; v != record.Newest {
			t.Errorf("node %s says that version %d is in force", m.name, v)
		}
	}
}

// TestActivateNeedsEverybody: a member whose program does not know the version holds
// it back, and is named; one more than this program knows is refused from the start.
func TestActivateNeedsEverybody(t *testing.T) {
	c := gather(t, 2)
	b := c.nodes[1]
	c.put(b, "k", "1")
	c.same()
	for _, newest := range []uint8{0, record.Newest - 1} {
		c.announce("old", newest)
		err := c.startAnew(b, embedded.Activate(record.Newest))
		if mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), `node "old" knows 1 to 1`) {
			t.Errorf("a member that knows up to %d: %v, want it named", newest, err)
		}
	}
	err := c.startAnew(b, embedded.Activate(record.Newest+1))
	if mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), "this program knows") {
		t.Errorf("a version beyond this program's: %v", err)
	}
	for i, v := range versions(t, c.store) {
		if v != record.First {
			t.Errorf("record %d is of version %d, and nothing was put in force", i+1, v)
		}
	}
	c.announce("old", record.Newest)
	if err := c.startAnew(b, embedded.Activate(record.Newest)); err != nil {
		t.Errorf("once everybody knows it: %v", err)
	}
}

// TestActivateAlone: a database with a log of its own needs nobody else's word, and
// what it wrote before is read after.
func TestActivateAlone(t *testing.T) {
	fs := newMem()
	open := func(opts ...embedded.Option) *embedded.DB {
		t.Helper()
		db, err := embedded.Open(t.Context(), dir, append(opts, embedded.Memory(16<<20), embedded.OnDisk(fs))...)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	for i, opts := range [][]embedded.Option{nil, {embedded.Activate(record.Newest)}, nil} {
		db := open(opts...)
		if _, err := db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil }); err != nil {
			t.Fatal(err)
		}
		v, err := db.Get(t.Context(), "g", "n", mainstem.Latest())
		if err != nil || v.Value.Int != int64(i+1) {
			t.Errorf("opened for time %d, n is %d, %v", i+1, v.Value.Int, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
