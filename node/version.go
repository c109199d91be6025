package node

import (
	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// activates puts the version that was asked for in force, if it is not yet: the
// record with this header is the first that is written in it. Members say what they
// know in records before this one, so that the log itself decides: a member that
// comes between is a lost race, and it is looked at again (L2).
func (p *partition) activates(h *record.Header) (bool, error) {
	wanted := p.node.cfg.Activate
	if wanted <= h.Version {
		return false, nil
	}
	for _, m := range p.tail.Unable(wanted) {
		if m.Name == p.node.cfg.Name {
			continue // what it knows now is in this very record
		}
		e := mainstem.Errorf(mainstem.Invalid, "version %d of the log cannot be put in force in partition %d: node %q knows %d to %d",
			wanted, p.id, m.Name, record.Oldest, max(record.Oldest, m.Newest))
		e.Advice = "start that node with this program first; if it is lost, have the others forget it: mainstem cluster forget " + m.Name
		return false, e
	}
	p.logger.Info("a version of the log is put in force", "version", wanted, "before", p.tail.Version)
	h.Version = wanted
	return true, nil
}
