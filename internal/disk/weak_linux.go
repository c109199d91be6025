package disk

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// weakTypes are file systems whose fsync may promise less than a local disk's,
// by the magic number of statfs(2).
var weakTypes = map[uint32]string{
	unix.TMPFS_MAGIC:           "tmpfs keeps files in memory only: everything is lost with the machine's power",
	unix.RAMFS_MAGIC:           "ramfs keeps files in memory only: everything is lost with the machine's power",
	unix.NFS_SUPER_MAGIC:       "on NFS the server decides whether a synced write is on its disk (export option sync), and locks depend on its lock daemon",
	unix.SMB_SUPER_MAGIC:       "on SMB the server decides whether a synced write is on its disk",
	unix.SMB2_SUPER_MAGIC:      "on SMB the server decides whether a synced write is on its disk",
	unix.CIFS_SUPER_MAGIC:      "on CIFS the server decides whether a synced write is on its disk",
	unix.V9FS_MAGIC:            "on 9p the host decides whether a synced write is on its disk",
	unix.FUSE_SUPER_MAGIC:      "on FUSE the file system's own program decides what a sync does",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs may be mounted volatile, where a sync does nothing, and a container's layer goes when the container goes",
}

// Weakness warns about the file system that holds dir, when its fsync may do
// nothing or less than expected. It is empty for local disks, and for file
// systems that are not the operating system's.
func Weakness(fs FS, dir string) string {
	if vfs.Root(fs) != vfs.Default {
		return ""
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return "the kind of file system could not be found out (" + err.Error() + "): make sure that its fsync reaches the disk"
	}
	return weakTypes[uint32(stat.Type)]
}
