package mainstem

import (
	"crypto/sha256"
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// Slots is how many slots groups hash to. The number is fixed for ever.
const Slots = 4096

// SlotOf is the slot of a group: the first twelve bits of the SHA-256 of its
// name. Slots map to partitions by a map that the database records.
func SlotOf(group string) uint16 {
	at := &slots[maphash.String(slotSeed, group)%uint64(len(slots))]
	if known := at.Load(); known != nil && known.group == group {
		return known.slot
	}
	sum := sha256.Sum256([]byte(group))
	known := &slotOf{group: strings.Clone(group), slot: uint16(sum[0])<<4 | uint16(sum[1])>>4}
	at.Store(known)
	return known.slot
}

// slots remembers the slots of some groups: a transaction asks several times,
// and the hash is a twentieth of its cost.
var (
	slots    [1 << 10]atomic.Pointer[slotOf]
	slotSeed = maphash.MakeSeed()
)

type slotOf struct {
	group string
	slot  uint16
}
