//go:build !linux

package disk

// Weakness warns about the file system that holds dir. On this operating
// system the kind of file system is not known, and the warning says so.
func Weakness(FS, string) string {
	return "the kind of file system is not checked on this operating system: make sure that its fsync reaches the disk"
}
