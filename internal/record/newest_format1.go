//go:build format1

package record

// Newest is the highest version that this program knows: the program before this
// one, to be run beside it in tests of upgrades.
const Newest = 1
