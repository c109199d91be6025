package state

import (
	"encoding/binary"
	"math/bits"
)

// hashOf is a hash of a row's key for tables in memory. Nobody who does not know
// the seed can choose keys that meet. It is the same in every process, so that a
// simulation with a seed reads the same rows.
func hashOf(seed uint64, key []byte) uint64 {
	// Eight bytes at a time, folded as in wyhash.
	sum := seed ^ uint64(len(key))
	for ; len(key) >= 8; key = key[8:] {
		sum = fold(sum ^ binary.LittleEndian.Uint64(key))
	}
	var last [8]byte
	copy(last[:], key)
	return fold(fold(sum ^ binary.LittleEndian.Uint64(last[:])))
}

func fold(n uint64) uint64 {
	high, low := bits.Mul64(n^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return high ^ low
}
