package disk

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Crash returns, as a new file system in memory, what the disk might look like
// if the power went now: everything that was synced, and of the unsynced
// sectors, file sizes and directory operations a random part, chosen by seed.
// keep, 0 to 1, is the chance of each: 0 gives exactly what was synced. The
// running Power is not disturbed. The files' content is copied.
func (p *Power) Crash(seed uint64, keep float64) (FS, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return nil, errPowerOff
	}
	c := &crash{
		p: p, keep: keep, to: vfs.NewMem(),
		rng:   rand.New(rand.NewPCG(seed, 0x6372617368)),
		views: map[*node]map[string]entry{}, built: map[*node]string{},
	}
	if p.top != "" {
		// The copy has the same names, so that a configuration fits both.
		if err := c.to.MkdirAll(p.top, 0o755); err != nil {
			return nil, fmt.Errorf("disk: power: copy the disk: %w", err)
		}
	}
	for _, op := range p.ops {
		if !c.chance() {
			continue
		}
		for _, e := range op.effects {
			view, err := c.view(e.dir)
			if err != nil {
				return nil, err
			}
			if view[e.name].seq <= op.seq {
				view[e.name] = entry{e.node, op.seq}
			}
		}
	}
	if err := c.directory(p.root, p.real("")); err != nil {
		return nil, fmt.Errorf("disk: power: copy the disk: %w", err)
	}
	return c.to, nil
}

// crash is one copy in the making.
type crash struct {
	p     *Power
	keep  float64
	rng   *rand.Rand
	to    FS
	views map[*node]map[string]entry // directories as they survive
	built map[*node]string           // files that are copied, by one of their names
}

func (c *crash) chance() bool { return c.keep > 0 && c.rng.Float64() < c.keep }

func (c *crash) view(d *node) (map[string]entry, error) {
	if v, ok := c.views[d]; ok {
		return v, nil
	}
	if err := c.p.load(d); err != nil {
		return nil, err
	}
	v := maps.Clone(d.durable)
	c.views[d] = v
	return v, nil
}

func (c *crash) directory(d *node, path string) error {
	view, err := c.view(d)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(view)) {
		n, child := view[name].node, c.to.PathJoin(path, name)
		switch {
		case n == nil:
		case n.dir:
			err = c.to.MkdirAll(child, 0o755)
			if err == nil {
				err = c.directory(n, child)
			}
		case c.built[n] != "":
			err = c.to.Link(c.built[n], child)
		default:
			err = c.file(n, child)
			c.built[n] = child
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *crash) file(n *node, path string) error {
	content := make([]byte, c.size(n))
	if err := c.p.readDurable(n, content, 0); err != nil {
		return err
	}
	for _, at := range slices.Sorted(maps.Keys(n.pages)) {
		pg := n.pages[at]
		for s := range int64(powerPage / Sector) {
			off := at*powerPage + s*Sector
			if pg.dirty&(1<<s) != 0 && c.chance() && off < int64(len(content)) {
				// What lies beyond the size as seen through the Power is zero.
				copy(content[off:], pg.data[s*Sector:s*Sector+min(Sector, max(0, n.size-off))])
			}
		}
	}
	f, err := c.to.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// size is the file's size after the crash: the durable one, the newest one,
// something between them, or as long as what was preallocated.
func (c *crash) size(n *node) int64 {
	size := n.keptSize
	if grown := n.size - size; grown > 0 && c.keep > 0 {
		if c.chance() {
			size = n.size
		} else if c.chance() {
			size += c.rng.Int64N(grown + 1)
		}
	}
	if size == n.size && n.reserved > size && c.chance() {
		size += c.rng.Int64N(n.reserved - size + 1)
	}
	return size
}
