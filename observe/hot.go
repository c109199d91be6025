package observe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/mainstemdb/mainstem"
)

const (
	// LimitHot is how many names HotNames tells of each kind.
	LimitHot = 32
	// sampled is of how many commits the names of one are counted, and
	// sampledNames how many of its names at most: a commit is not to wait for
	// the counting of others.
	sampled      = 16
	sampledNames = 64
)

// Hot are the names that stand out since the process began.
type Hot struct {
	// Written are keys, counters, streams and leases that commits wrote. One
	// commit in sixteen is counted, as sixteen.
	Written []HotName `json:"written"`
	// Contended are names that commits failed of: by a conflict, because they
	// were there, held, fenced, or at a bound. Each is counted. A range counts by
	// where it begins.
	Contended []HotName `json:"contended"`
}

// HotName is one name, with bounds of how often it was seen: at most Count, and at
// least Count-Over times.
type HotName struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	Count uint64 `json:"count"`
	Over  uint64 `json:"over"`
}

// HotNames are the names that are written most and that commits fail of most, at
// most LimitHot each, the highest count first. Any name that more than one in
// LimitHot countings is of is among them. Names are the users' data, and without
// bound: so they are told to who asks for them here, an administrator, and are no
// labels of a metric. Names of Mainstem's own groups are left out.
//
// Source: Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and
// Top-k Elements in Data Streams", 2005 (Space-Saving).
func (o *Observer) HotNames() Hot {
	return Hot{Written: o.written.list(), Contended: o.contended.list()}
}

// top keeps the names that are counted most.
//
// Invariants: at most LimitHot names; at[names[i]] is i.
type top struct {
	mu    sync.Mutex
	names []HotName
	at    map[[2]string]int
}

// sample counts the names of one commit in sixteen. It is drawn, because a caller
// that repeats itself could hide between fixed steps.
func (t *top) sample(x *mainstem.Transaction) {
	if rand.Uint32()%sampled != 0 {
		return
	}
	for _, o := range x.Operations[:min(len(x.Operations), sampledNames)] {
		t.count(x.Group, written(o), sampled)
	}
}

// count counts a name; no name is none.
func (t *top) count(group, name string, n uint64) {
	if name == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, ok := t.at[[2]string{group, name}]; ok {
		t.names[i].Count += n
		return
	}
	if t.at == nil {
		t.at = make(map[[2]string]int, LimitHot)
	}
	// A name of its own holds no more memory than it says.
	next := HotName{Group: strings.Clone(group), Name: strings.Clone(name), Count: n}
	i := len(t.names)
	if i < LimitHot {
		t.names = append(t.names, next)
	} else {
		i = t.least()
		old := t.names[i]
		delete(t.at, [2]string{old.Group, old.Name})
		// The new one may have been counted before, and thrown out: that often at most.
		next.Count, next.Over = old.Count+n, old.Count
		t.names[i] = next
	}
	t.at[[2]string{next.Group, next.Name}] = i
}

func (t *top) least() (least int) {
	for i := range t.names {
		if t.names[i].Count < t.names[least].Count {
			least = i
		}
	}
	return least
}

func (t *top) list() []HotName {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append([]HotName{}, t.names...)
	slices.SortFunc(all, func(a, b HotName) int {
		if a.Count != b.Count {
			return -compare(a.Count, b.Count)
		}
		return strings.Compare(a.Group+"\x00"+a.Name, b.Group+"\x00"+b.Name)
	})
	return all
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// mainstemsOwn reports whether a group is one of Mainstem's own.
func mainstemsOwn(group string) bool { return strings.HasPrefix(group, "~") }

// written is the name that an operation writes to the state; empty if it has none.
func written(o mainstem.Operation) string {
	switch o := o.(type) {
	case mainstem.Put:
		return o.Name
	case mainstem.Delete:
		return o.Name
	case mainstem.Add:
		return o.Name
	case mainstem.Append:
		return o.Stream
	case mainstem.Acquire:
		return o.Lease
	case mainstem.Renew:
		return o.Lease
	case mainstem.Release:
		return o.Lease
	case mainstem.Present:
		return o.Lease
	}
	return ""
}

// judged is the name that a condition looks at.
func judged(c mainstem.Condition) string {
	switch c := c.(type) {
	case mainstem.KeyAbsent:
		return c.Name
	case mainstem.KeyUnchanged:
		return c.Name
	case mainstem.KeyEquals:
		return c.Name
	case mainstem.StreamLength:
		return c.Stream
	case mainstem.RangeUnchanged:
		return c.From
	case mainstem.StreamsUnchanged:
		return c.From
	case mainstem.LeaseHeld:
		return c.Lease
	}
	return ""
}
