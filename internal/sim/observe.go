package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

func (r *runner) read(a Read) string {
	if a.Query.Kind == mainstem.QueryGroups {
		cut, err := r.target.DB().Cut(r.ctx, r.consistency(a))
		if err != nil {
			return "cut: " + failure(err)
		}
		defer cut.Close()
		return r.groups(cut)
	}
	request := mainstem.ViewRequest{Group: a.Group, At: r.consistency(a)}
	if a.Whole {
		request.Group = ""
	}
	s, err := r.target.DB().Backend().View(r.ctx, request)
	if err != nil {
		return "view: " + failure(err)
	}
	defer s.Close()
	answer, err := s.Read(r.ctx, a.Query)
	if err != nil {
		return failure(err)
	}
	return r.answer(a.Query, answer)
}

func (r *runner) consistency(a Read) mainstem.Consistency {
	switch a.At {
	case mainstem.LevelAtLeast:
		return mainstem.AtLeast(r.at[a.Since].token)
	case mainstem.LevelAsOf:
		return mainstem.AsOf(r.at[a.Since].position)
	case mainstem.LevelWithin:
		return mainstem.Within(time.Second)
	case mainstem.LevelLocal:
		return mainstem.Local()
	default:
		return mainstem.Latest()
	}
}

func (r *runner) answer(q mainstem.Query, a mainstem.Answer) string {
	var parts []string
	for _, v := range a.Versions {
		if v.Exists || q.Kind == mainstem.QueryHistory {
			parts = append(parts, r.version(q.Group, v))
		}
	}
	for _, e := range a.Events {
		parts = append(parts, fmt.Sprintf("%d:%s:%s by #%d", e.Number, e.Type, e.Data, r.writer[fmt.Sprint(q.Group, "/", e.Position)]))
	}
	switch q.Kind {
	case mainstem.QueryEvents:
		parts = append(parts, fmt.Sprint("of ", a.Length))
	case mainstem.QueryLease:
		parts = append(parts, r.lease(q.Group, q.Name, a.Lease))
	case mainstem.QueryID:
		if a.Receipt != nil {
			parts = append(parts, r.receipt(q.Group, nil, a.Receipt))
		}
	}
	parts = append(parts, a.Names...)
	if a.More {
		parts = append(parts, "and more")
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// contents is everything that a reader can see in any group.
func (r *runner) contents() (lines []string) {
	cut, err := r.target.DB().Cut(r.ctx, mainstem.Latest())
	if err != nil {
		return []string{"cut: " + failure(err)}
	}
	defer cut.Close()
	for _, group := range groups {
		view := cut.Group(group)
		for v, err := range view.Scan(r.ctx, "", "") {
			lines = append(lines, line(group, r.version(group, v), err))
		}
		for stream, err := range view.Streams(r.ctx, "", "") {
			lines = append(lines, line(group, "stream "+stream, err))
			for e, err := range view.Events(r.ctx, stream, 0) {
				lines = append(lines, line(group, fmt.Sprintf("  %d:%s", e.Number, e.Data), err))
			}
		}
		for _, name := range leases {
			l, err := view.Lease(r.ctx, name)
			lines = append(lines, line(group, "lease "+name+" "+r.lease(group, name, l), err))
		}
	}
	return append(lines, r.groups(cut))
}

// groups is the list of all groups, page by page. It is sorted here: the
// contract says that there is an order, and not which.
func (r *runner) groups(cut *mainstem.Cut) string {
	var names []string
	for group, err := range cut.Groups(r.ctx) {
		if err != nil {
			return "groups: " + failure(err)
		}
		names = append(names, group)
	}
	slices.Sort(names)
	return fmt.Sprintf("groups: %q", names)
}

func line(group, text string, err error) string {
	if err != nil {
		text = failure(err)
	}
	return group + ": " + text
}

// feed is every change, group by group. It also holds the order within each
// partition to L1.
func (r *runner) feed() []string {
	byGroup, newest := map[string][]string{}, map[int]mainstem.Position{}
	var wrong []string
	for batch, err := range r.target.DB().Changes(r.ctx, mainstem.From{Drain: true}) {
		if err != nil {
			return []string{"feed: " + failure(err)}
		}
		for _, c := range batch.Changes {
			if c.Partition != batch.Partition || c.Position != newest[c.Partition]+1 {
				wrong = append(wrong, fmt.Sprintf("WRONG (L1): position %d of partition %d after %d", c.Position, c.Partition, newest[c.Partition]))
			}
			newest[c.Partition] = c.Position
			if text := r.change(c); text != "" {
				byGroup[c.Group] = append(byGroup[c.Group], "feed "+c.Group+": "+text)
			}
		}
	}
	for _, group := range groups {
		wrong = append(wrong, byGroup[group]...)
	}
	return wrong
}

// change is one change without what differs between configurations: when keys
// expire, what was committed to make time pass, IDs made at random.
func (r *runner) change(c mainstem.Change) string {
	effects := slices.DeleteFunc(slices.Clone(c.Effects), func(e mainstem.Effect) bool { return e.Kind == mainstem.EffectExpire })
	if len(effects) == 1 && effects[0].Name == nudge || len(effects) == 0 && c.ID.IsZero() {
		return ""
	}
	id := c.ID.String()
	if _, sent := r.first[c.Group+"/"+id]; !sent {
		id = "made"
	}
	text := fmt.Sprintf("%s by #%d %q refused %t actor %q", id, r.writer[fmt.Sprint(c.Group, "/", c.Position)], c.Reply, c.Refused, c.Meta.Actor)
	for _, e := range effects {
		text += fmt.Sprintf("; %s %s %s %+d %v first %d owner %q", e.Kind, e.Name, e.Value, e.Delta, e.Events, e.First, e.Owner)
		if e.Token != 0 && e.Kind != mainstem.EffectPresent {
			text += " token " + r.owner(c.Group, e.Name, e.Token)
		}
		if e.Until > 0 {
			text += " for " + e.Until.Sub(c.Age).String()
		}
	}
	return text
}
