//go:build !format1

package record

// Newest is the highest version that this program knows.
const Newest = 2
