package disk

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Sector is the unit, in bytes, in which a Power loses or keeps data. A
// sector is written whole or not at all, as disks promise.
const Sector = 512

// Power is a disk that forgets what was not synced. It lies over another FS,
// its base, and holds in this process's memory every byte that was written but
// not synced and every directory entry that was made, renamed or removed but
// whose directory was not synced. Reads see all of it; the base sees it only
// once it is synced. So the base always looks like a disk after a power cut,
// and killing the process with SIGKILL is one. For tests within one process,
// [Power.Crash] copies that disk.
//
// The rules are POSIX's, not a kind file system's: syncing a file does not
// make its name durable, syncing a directory does not make its files' bytes
// durable, a new directory needs its parent synced, and unsynced things
// survive in any combination. A rename is atomic.
//
// Syncing hands data to the base; the base itself is not synced, so the
// machine has to stay up. Memory is used for what is not synced only.
type Power struct {
	base FS
	top  string // the directory in the base that this disk holds
	lock io.Closer

	mu    sync.Mutex
	rng   *rand.Rand
	early float64
	root  *node
	ops   []*entryOp // directory operations that the base has not got, in order
	seq   uint64     // of the newest of all directory operations
	locks map[*node]bool
	stage int // numbers staged files
	off   bool
}

// PowerConfig says which disk, and how much of what is not synced reaches it
// all the same.
type PowerConfig struct {
	// Dir is the directory of the base that the Power holds. It must exist.
	// Names outside it can be looked at, and synced, but not changed. Empty
	// means the root of a memory FS.
	Dir string
	// Early is the fraction, 0 to 1, of unsynced sectors and directory entries
	// that are handed down at once, chosen by Seed: real disks write whatever
	// they like before a sync, in any order.
	Early float64
	Seed  uint64
}

// powerPrefix starts the names of a Power's own files in the base.
const powerPrefix = ".power-"

// NewPower lays a Power over base. A base directory has one Power at a time;
// Close lets go of it.
func NewPower(base FS, cfg PowerConfig) (*Power, error) {
	if cfg.Early < 0 || cfg.Early > 1 {
		return nil, fmt.Errorf("disk: PowerConfig.Early is %v: use a fraction, 0 to 1", cfg.Early)
	}
	p := &Power{
		base: base, top: cfg.Dir, early: cfg.Early,
		rng:   rand.New(rand.NewPCG(cfg.Seed, 0x706f776572)),
		locks: map[*node]bool{},
	}
	lock, err := base.Lock(p.real(powerPrefix + "lock"))
	if err != nil {
		return nil, fmt.Errorf("disk: power over %q: the directory is missing, or another Power has it: %w", cfg.Dir, err)
	}
	p.lock = lock
	p.root = newDir()
	p.root.top = true
	return p, nil
}

// Close lets go of the base without handing anything down: what was not
// synced is gone, as after a power cut.
func (p *Power) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return nil
	}
	p.off = true
	err := p.root.closeAll()
	if cerr := p.lock.Close(); err == nil {
		err = cerr
	}
	return err
}

// real is the base's name of a path below the top.
func (p *Power) real(rel string) string {
	if p.top == "" {
		return rel
	}
	return p.base.PathJoin(p.top, rel)
}

// split turns a name into path elements below the top; ok is false for a name
// outside it.
func (p *Power) split(name string) (parts []string, ok bool) {
	rel := p.base.PathJoin(name)
	if p.top != "" {
		if rel, ok = strings.CutPrefix(rel, p.base.PathJoin(p.top)); !ok || rel != "" && rel[0] != '/' {
			return nil, false
		}
	}
	for part := range strings.SplitSeq(rel, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts, true
}

// PathBase implements FS.
func (p *Power) PathBase(path string) string { return p.base.PathBase(path) }

// PathJoin implements FS.
func (p *Power) PathJoin(elem ...string) string { return p.base.PathJoin(elem...) }

// PathDir implements FS.
func (p *Power) PathDir(path string) string { return p.base.PathDir(path) }

// GetDiskUsage implements FS.
func (p *Power) GetDiskUsage(string) (vfs.DiskUsage, error) { return p.base.GetDiskUsage(p.real("")) }

// Unwrap implements FS.
func (p *Power) Unwrap() FS { return p.base }

var _ FS = (*Power)(nil)
