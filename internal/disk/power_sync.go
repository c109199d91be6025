package disk

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// effect is what a directory operation does to one name. A nil node removes it.
type effect struct {
	dir  *node
	name string
	node *node
}

// entryOp is one directory operation: all of its effects become durable, or
// none does.
type entryOp struct {
	seq     uint64
	effects []effect
}

// enter does a directory operation in the running view and leaves it for a
// sync, or for chance, to make durable.
func (p *Power) enter(effects ...effect) error {
	p.seq++
	op := &entryOp{seq: p.seq, effects: effects}
	for _, e := range effects {
		if old := e.dir.names[e.name]; old != nil {
			old.links--
			// A file that the base has is opened before it can lose its name.
			if err := p.opened(old); err != nil {
				return err
			}
		}
		e.dir.mod = time.Now()
		if e.node == nil {
			delete(e.dir.names, e.name)
			continue
		}
		e.dir.names[e.name] = e.node
		e.node.links++
	}
	if p.early > 0 && p.rng.Float64() < p.early {
		return p.settleOp(op)
	}
	p.ops = append(p.ops, op)
	return nil
}

// syncDir makes the operations that touch a directory durable, in their order.
func (p *Power) syncDir(d *node) error {
	rest := p.ops[:0:0]
	for i, op := range p.ops {
		if !slices.ContainsFunc(op.effects, func(e effect) bool { return e.dir == d }) {
			rest = append(rest, op)
			continue
		}
		if err := p.settleOp(op); err != nil {
			p.ops = append(rest, p.ops[i:]...)
			return fmt.Errorf("disk: power: hand down a directory entry: %w", err)
		}
	}
	p.ops = rest
	return nil
}

// settleOp makes one operation durable. New names come before old ones go.
func (p *Power) settleOp(op *entryOp) error {
	live := slices.DeleteFunc(slices.Clone(op.effects), func(e effect) bool { return e.dir.durable[e.name].seq > op.seq })
	if done, err := p.moveInBase(live, op.seq); done || err != nil {
		return err
	}
	for _, adding := range []bool{true, false} {
		for _, e := range live {
			if (e.node != nil) != adding {
				continue
			}
			if err := p.settle(e, op.seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveInBase does a rename of something that the base has as one rename.
func (p *Power) moveInBase(live []effect, seq uint64) (bool, error) {
	if len(live) != 2 || live[0].node != nil || live[1].node == nil {
		return false, nil
	}
	from, to := live[0], live[1]
	n := to.node
	if from.dir.durable[from.name].node != n || !from.dir.attached() || !to.dir.attached() {
		return false, nil
	}
	if to.dir.durable[to.name].node == n {
		return false, nil // to the base, a rename between two names of one file is nothing
	}
	if err := p.base.Rename(p.pathIn(from.dir, from.name), p.pathIn(to.dir, to.name)); err != nil {
		return false, err
	}
	replaced := to.dir.durable[to.name].node
	n.homes = slices.DeleteFunc(n.homes, func(h home) bool { return h == home{from.dir, from.name} })
	n.homes = append(n.homes, home{to.dir, to.name})
	from.dir.durable[from.name] = entry{seq: seq}
	to.dir.durable[to.name] = entry{node: n, seq: seq}
	if replaced != nil && replaced != n {
		return true, p.leave(replaced, home{to.dir, to.name})
	}
	return true, nil
}

// settle makes one effect durable.
func (p *Power) settle(e effect, seq uint64) error {
	replaced := e.dir.durable[e.name].node
	e.dir.durable[e.name] = entry{node: e.node, seq: seq}
	if !e.dir.attached() || replaced == e.node {
		return nil
	}
	if e.node != nil {
		if err := p.place(e.node, e.dir, e.name); err != nil {
			return err
		}
	} else if err := p.base.RemoveAll(p.pathIn(e.dir, e.name)); err != nil {
		return err
	}
	if replaced == nil {
		return nil
	}
	return p.leave(replaced, home{e.dir, e.name})
}

// leave takes a name away from a node of the base.
func (p *Power) leave(n *node, gone home) error {
	n.homes = slices.DeleteFunc(n.homes, func(h home) bool { return h == gone })
	if n.attached() {
		return nil
	}
	return p.detach(n)
}

// place gives a node a name in an attached directory of the base, in one step.
func (p *Power) place(n, dir *node, name string) error {
	p.stage++
	staged := p.pathIn(dir, fmt.Sprintf("%s%d", powerPrefix, p.stage))
	if n.attached() && !n.dir {
		if err := p.base.Link(p.path(n), staged); err != nil {
			return err
		}
	} else if err := p.build(n, staged, map[*node]string{}); err != nil {
		return err
	}
	if err := p.base.Rename(staged, p.pathIn(dir, name)); err != nil {
		return err
	}
	n.homes = append(n.homes, home{dir, name})
	return nil
}

// build writes what is durable of a node that the base has not got. A file
// that is in the tree twice is built once; built says where, because its homes
// lead nowhere before the whole tree has its name.
func (p *Power) build(n *node, path string, built map[*node]string) error {
	if !n.dir {
		built[n] = path
		f, err := p.base.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		if len(n.kept) > 0 {
			if _, err := f.Write(slices.Clone(n.kept)); err != nil {
				_ = f.Close() // the write's error is the one to tell
				return err
			}
		}
		n.file, n.kept = f, nil
		return nil
	}
	if err := p.base.MkdirAll(path, 0o755); err != nil {
		return err
	}
	for name, e := range n.durable {
		if e.node == nil {
			continue
		}
		child := p.base.PathJoin(path, name)
		var err error
		switch at, twice := built[e.node]; {
		case twice:
			err = p.base.Link(at, child)
		case e.node.attached() && !e.node.dir:
			err = p.base.Link(p.path(e.node), child)
		default:
			err = p.build(e.node, child, built)
		}
		if err != nil {
			return err
		}
		e.node.homes = append(e.node.homes, home{n, name})
	}
	return nil
}

// syncFile makes a file's bytes and size durable.
func (p *Power) syncFile(n *node) error {
	for _, at := range slices.Sorted(maps.Keys(n.pages)) {
		for s := range int64(powerPage / Sector) {
			if err := p.handDown(n, at, s); err != nil {
				return fmt.Errorf("disk: power: hand down bytes: %w", err)
			}
		}
	}
	return nil
}

// handDown makes one sector durable, if it is dirty.
func (p *Power) handDown(n *node, at, s int64) error {
	pg := n.pages[at]
	if pg == nil || pg.dirty&(1<<s) == 0 {
		return nil
	}
	off := at*powerPage + s*Sector
	b := pg.data[s*Sector : (s+1)*Sector]
	if err := p.writeDurable(n, b[:min(Sector, n.size-off)], off); err != nil {
		return err
	}
	if pg.dirty &^= 1 << s; pg.dirty|pg.ghost == 0 {
		delete(n.pages, at)
	}
	return nil
}
