package advise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/anomaly"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// traces tell each anomaly that the decisions leave, that a wish is not kept from, or that the
// architecture lets in, in the order of the description.
func (c *considered) traces(a *Answer) (told []Trace) {
	field, _ := workload.Lookup("never[].anomaly")
	for _, o := range field.Options {
		t := Trace{Anomaly: o.Name}
		note := func(because string, by []string) {
			t.Because = append(t.Because, because)
			for _, id := range by {
				if !slices.Contains(t.By, id) {
					t.By = append(t.By, id)
				}
			}
		}
		for _, x := range a.Remaining {
			if x.Name == o.Name {
				note("remains possible", x.By)
			}
		}
		for _, w := range a.Wishes {
			if w.Anomaly == o.Name && w.State == "not prevented" && !slices.Contains(t.Because, "must never happen, and is not prevented") {
				note("must never happen, and is not prevented", nil)
			}
		}
		for _, x := range a.Anomalies {
			if x.Name == o.Name {
				note("the architecture in place lets it in", x.By)
			}
		}
		if len(t.Because) > 0 {
			told = append(told, c.tell(t))
		}
	}
	return told
}

// tell fills a trace from the history of its anomaly.
func (c *considered) tell(t Trace) Trace {
	known, err := anomaly.Lookup(t.Anomaly)
	if err != nil {
		return t // TestTraces: every anomaly of the description has a history
	}
	history, err := anomaly.Retell(t.Anomaly, c.cast(t.Anomaly))
	if err != nil {
		return t
	}
	t.Title, t.Own, t.Wrong, t.Prevented = known.Title, history.Own, history.Wrong, known.Prevented
	t.Who = history.Trace.Who()
	for _, s := range history.Trace.Steps {
		t.Steps = append(t.Steps, Deed{By: s.By, Does: s.Text()})
	}
	if after := history.Trace.After; after != nil {
		t.After = after.Text()
	}
	t.History = strings.TrimRight(history.Trace.Text(), "\n")
	return t
}

// cast are the words of the description in which a history is told. An operation that decides
// loses updates before one that only writes, and what may be old is read before what may not.
func (c *considered) cast(name string) map[string]string {
	words := map[string]string{}
	word := func(as, list string, of func(at string) bool) {
		n, _ := c.w.Count(list)
		for i := range n {
			at := fmt.Sprintf("%s[%d]", list, i)
			if title := c.w.Get(at + ".name").Text; title != "" && words[as] == "" && of(at) {
				words[as] = title
				if list == "operations" {
					words["key"] = c.w.Get(at + ".key").Text
				}
			}
		}
	}
	kind := func(kinds ...string) func(string) bool {
		return func(at string) bool { return slices.Contains(kinds, c.w.Get(at+".kind").Text) }
	}
	always := func(string) bool { return true }
	if !slices.Contains([]string{"lost_write", "causality_violation", "read_your_writes_violation"}, name) {
		word("write", "operations", kind("decide"))
	}
	word("write", "operations", kind("write", "decide"))
	word("decide", "operations", kind("decide"))
	word("read", "reads", func(at string) bool { old := c.w.Get(at + ".staleness"); return old.Known && old.Amount > 0 })
	word("read", "reads", always)
	word("view", "derived", always)
	word("view", "architecture.brokers", always)
	word("view", "externals", always)
	word("resource", "resources", always)
	return words
}
