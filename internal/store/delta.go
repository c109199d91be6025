package store

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"

	"github.com/mainstemdb/mainstem/internal/state"
)

// delta is rows that no table has yet, in the order in which they were written:
// a hash table over an arena, which keeps what was overwritten too. One
// goroutine adds. Any number read at the same time, each as of a number of
// entries: what was added later does not exist for it.
//
// Entries of one row, or of all versions of one key, are a group: a chain that
// begins with the newest.
type delta struct {
	seed    maphash.Seed
	chunks  atomic.Pointer[[][]byte]
	entries atomic.Pointer[[]*[entriesPerBlock]entry]
	// slots are open addresses of groups: 32 bits of hash, and the newest entry
	// of the group plus 1.
	slots atomic.Pointer[[]atomic.Uint64]

	order order

	// The writer's own.
	count  int // entries
	groups int
	chunk  int   // bytes of one
	used   int   // of the newest chunk
	bytes  int64 // what all of it takes
	// kinds is how many bytes of rows begin with each byte.
	kinds [256]int64
	// buried are versions that no rule reads any more, to be deleted from the
	// tables. They need not vanish before.
	buried map[string]struct{}
	// last is the newest position of a version.
	last uint64
}

// entry is one write: where its key is, its value behind it, and the one before
// it in its group.
type entry struct {
	chunk, at  uint32
	key, value uint32 // lengths
	before     uint32 // 1 + the entry; 0 for none
	dead       bool
}

const (
	maxChunk        = 256 << 10
	entriesPerBlock = 1 << 10
	entryBytes      = 24 + 2*8*2 // an entry, and its part of the slots
)

// newDelta is an empty delta for about that many bytes.
func newDelta(limit int64) *delta {
	d := &delta{seed: maphash.MakeSeed(), buried: make(map[string]struct{}), chunk: int(min(limit/8, maxChunk))}
	slots := make([]atomic.Uint64, 1<<10)
	d.slots.Store(&slots)
	d.chunks.Store(&[][]byte{})
	d.entries.Store(&[]*[entriesPerBlock]entry{})
	return d
}

func (d *delta) entry(i int) *entry {
	return &(*d.entries.Load())[i/entriesPerBlock][i%entriesPerBlock]
}

func (d *delta) key(i int) []byte {
	e := d.entry(i)
	return (*d.chunks.Load())[e.chunk][e.at:][:e.key:e.key]
}

func (d *delta) value(i int) []byte {
	e := d.entry(i)
	return (*d.chunks.Load())[e.chunk][e.at+e.key:][:e.value:e.value]
}

func (d *delta) group(i int) []byte {
	group, _ := state.Prefix(d.key(i))
	return group
}

// before is the entry before i in its group, or -1.
func (d *delta) before(i int) int { return int(d.entry(i).before) - 1 }

// find is the newest of the first n entries that belong to a group, or -1.
func (d *delta) find(group []byte, n int) int {
	slots := *d.slots.Load()
	hash := maphash.Bytes(d.seed, group)
	for at := uint32(hash); ; at++ {
		slot := slots[int(at)&(len(slots)-1)].Load()
		if slot == 0 {
			return -1
		}
		i := int(uint32(slot)) - 1
		if slot>>32 != hash>>32 || !bytes.Equal(d.group(i), group) {
			continue
		}
		for i >= n {
			i = d.before(i)
		}
		return i
	}
}

// add writes one row.
func (d *delta) add(w *state.Write) {
	group, versioned := state.Prefix(w.Key)
	if versioned && w.Delete {
		d.buried[string(w.Key)] = struct{}{}
		d.bytes += int64(len(w.Key)) + 64
		return
	}
	if versioned {
		d.last = max(d.last, uint64(state.VersionPosition(w.Key)))
	}
	if slots := *d.slots.Load(); 2*d.groups >= len(slots) {
		d.widen(2 * len(slots))
	}
	slots := *d.slots.Load()
	hash := maphash.Bytes(d.seed, group)
	for at := uint32(hash); ; at++ {
		slot := &slots[int(at)&(len(slots)-1)]
		old := slot.Load()
		if old != 0 && (old>>32 != hash>>32 || !bytes.Equal(d.group(int(uint32(old))-1), group)) {
			continue
		}
		if old == 0 {
			d.groups++
		}
		i := d.push(w, uint32(old))
		slot.Store(hash>>32<<32 | uint64(i+1))
		return
	}
}

// widen makes room for more groups. Who reads the old slots at the moment finds
// in them what it may see.
func (d *delta) widen(n int) {
	next := make([]atomic.Uint64, n)
	old := *d.slots.Load()
	for i := range old {
		slot := old[i].Load()
		if slot == 0 {
			continue
		}
		at := uint32(maphash.Bytes(d.seed, d.group(int(uint32(slot))-1)))
		for next[int(at)&(n-1)].Load() != 0 {
			at++
		}
		next[int(at)&(n-1)].Store(slot)
	}
	d.slots.Store(&next)
}

// push adds an entry to the arena.
func (d *delta) push(w *state.Write, before uint32) int {
	size := len(w.Key) + len(w.Value)
	chunks := *d.chunks.Load()
	if len(chunks) == 0 || d.used+size > len(chunks[len(chunks)-1]) {
		chunks = d.grow(max(size, d.chunk))
	}
	into := chunks[len(chunks)-1][d.used:]
	copy(into[copy(into, w.Key):], w.Value)
	i := d.count
	blocks := *d.entries.Load()
	if i%entriesPerBlock == 0 {
		more := append(blocks[:len(blocks):len(blocks)], new([entriesPerBlock]entry))
		d.entries.Store(&more)
		blocks = more
	}
	blocks[i/entriesPerBlock][i%entriesPerBlock] = entry{
		chunk: uint32(len(chunks) - 1), at: uint32(d.used),
		key: uint32(len(w.Key)), value: uint32(len(w.Value)), before: before, dead: w.Delete,
	}
	d.used += size
	d.count++
	d.bytes += int64(size) + entryBytes
	d.kinds[w.Key[0]] += int64(size)
	return i
}

// grow adds a chunk to the arena.
func (d *delta) grow(size int) [][]byte {
	chunks := *d.chunks.Load()
	chunks = append(chunks[:len(chunks):len(chunks)], make([]byte, size))
	d.chunks.Store(&chunks)
	d.used = 0
	return chunks
}
