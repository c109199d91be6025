package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const powerPage = 4096

// page is a piece of a file that has unsynced sectors.
type page struct {
	data  [powerPage]byte
	dirty uint8 // one bit for each sector
	ghost uint8 // sectors that are read but will never be written: see Forget
}

// home is a name that the base has for a node.
type home struct {
	dir  *node
	name string
}

// entry is a directory's durable answer for one name. A nil node is a durable
// absence. seq orders answers: an older operation never overrides a newer one.
type entry struct {
	node *node
	seq  uint64
}

// node is a file or directory. What is durable of a file is in the base under
// its homes, or in kept as long as no durable name leads to it.
type node struct {
	dir bool
	top bool
	mod time.Time

	// a directory's
	loaded  bool
	names   map[string]*node // as seen through the Power
	durable map[string]entry // as after a power cut
	homes   []home           // for a directory, at most one

	// a file's
	links    int // names that lead to it, as seen through the Power
	opens    int
	size     int64 // as seen through the Power
	kept     []byte
	keptSize int64 // durable size
	reserved int64 // end of what was preallocated
	file     File  // the base's file, open since it was first needed
	pages    map[int64]*page
}

func newDir() *node {
	return &node{dir: true, names: map[string]*node{}, durable: map[string]entry{}, mod: time.Now()}
}

func newFile() *node { return &node{pages: map[int64]*page{}, mod: time.Now()} }

// attached tells whether the base has the node.
func (n *node) attached() bool { return n.top || len(n.homes) > 0 }

// path is the base's name of an attached node.
func (p *Power) path(n *node) string {
	parts := []string{}
	for ; !n.top; n = n.homes[0].dir {
		parts = append(parts, n.homes[0].name)
	}
	slices.Reverse(parts)
	return p.real(strings.Join(parts, "/"))
}

func (p *Power) pathIn(dir *node, name string) string { return p.base.PathJoin(p.path(dir), name) }

// load lists a directory of the base when it is first looked into.
func (p *Power) load(d *node) error {
	if d.loaded {
		return nil
	}
	if !d.attached() {
		d.loaded = true
		return nil
	}
	path := p.path(d)
	names, err := p.base.List(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		full := p.base.PathJoin(path, name)
		if strings.HasPrefix(name, powerPrefix) {
			if name != powerPrefix+"lock" {
				if err := p.base.RemoveAll(full); err != nil {
					return fmt.Errorf("disk: remove a leftover of an earlier Power: %w", err)
				}
			}
			continue
		}
		info, err := p.base.Stat(full)
		if err != nil {
			return err
		}
		n := newFile()
		if info.IsDir() {
			n = newDir()
		}
		n.mod, n.links, n.size, n.keptSize = info.ModTime(), 1, info.Size(), info.Size()
		n.homes = []home{{d, name}}
		d.names[name] = n
		d.durable[name] = entry{node: n}
	}
	d.loaded = true
	return nil
}

// opened makes sure that an attached file's base file is open.
func (p *Power) opened(n *node) error {
	if n.dir || n.file != nil || !n.attached() {
		return nil
	}
	f, err := p.base.OpenReadWrite(p.path(n), vfs.WriteCategoryUnspecified)
	if errors.Is(err, os.ErrPermission) {
		f, err = p.base.Open(p.path(n))
	}
	n.file = f
	return err
}

// readDurable fills b with the durable bytes at off, zeros beyond their end.
func (p *Power) readDurable(n *node, b []byte, off int64) error {
	clear(b)
	if off >= n.keptSize {
		return nil
	}
	b = b[:min(int64(len(b)), n.keptSize-off)]
	if n.file == nil && n.attached() {
		if err := p.opened(n); err != nil {
			return err
		}
	}
	if n.file == nil {
		copy(b, n.kept[off:])
		return nil
	}
	if _, err := n.file.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// writeDurable makes bytes of a file durable.
func (p *Power) writeDurable(n *node, b []byte, off int64) error {
	end := off + int64(len(b))
	if err := p.opened(n); err != nil {
		return err
	}
	if n.file != nil {
		if _, err := n.file.WriteAt(b, off); err != nil {
			return err
		}
	} else {
		if grow := end - int64(len(n.kept)); grow > 0 {
			n.kept = append(n.kept, make([]byte, grow)...)
		}
		copy(n.kept[off:], b)
	}
	n.keptSize = max(n.keptSize, end)
	return nil
}

// detach moves what the base had of a node into memory, once the base has no
// name for it any more: a handle, or a later operation, may still need it.
func (p *Power) detach(n *node) error {
	if n.dir {
		for _, e := range n.durable {
			if e.node == nil {
				continue
			}
			e.node.homes = slices.DeleteFunc(e.node.homes, func(h home) bool { return h.dir == n })
			if !e.node.attached() {
				if err := p.detach(e.node); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if n.file == nil {
		return nil
	}
	kept := make([]byte, n.keptSize)
	if n.links > 0 || n.opens > 0 || p.pending(n) {
		if err := p.readDurable(n, kept, 0); err != nil {
			return err
		}
		n.kept = kept
	}
	err := n.file.Close()
	n.file = nil
	return err
}

// pending tells whether an operation that is not durable yet names the node.
func (p *Power) pending(n *node) bool {
	return slices.ContainsFunc(p.ops, func(op *entryOp) bool {
		return slices.ContainsFunc(op.effects, func(e effect) bool { return e.node == n })
	})
}

func (n *node) closeAll() error {
	var first error
	if n.file != nil {
		first = n.file.Close()
		n.file = nil
	}
	for _, child := range n.names {
		if err := child.closeAll(); first == nil {
			first = err
		}
	}
	for _, e := range n.durable {
		if e.node != nil {
			if err := e.node.closeAll(); first == nil {
				first = err
			}
		}
	}
	return first
}
