package advise

import (
	"fmt"
	"slices"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// wishes judge what must never happen: whether a decision prevents it, and
// whether the architecture in place lets it in.
func (c *considered) wishes() (found []Wish) {
	field, _ := workload.Lookup("never[].anomaly")
	n, _ := c.w.Count("never")
	for i := range n {
		at := fmt.Sprintf("never[%d]", i)
		anomaly := c.w.Get(at + ".anomaly")
		wish := Wish{Words: c.w.Get(at + ".words").Text, Anomaly: anomaly.String(), Cost: c.w.Get(at + ".cost").String(), State: "unknown"}
		if anomaly.Known {
			wish.State = "not prevented"
			wish.Means = field.Options[slices.IndexFunc(field.Options, func(o workload.Option) bool { return o.Name == anomaly.Text })].Means
			for _, v := range c.fired(rules.Decision, rules.Example) {
				if slices.Contains(v.rule.Prevents, anomaly.Text) {
					wish.Prevented = append(wish.Prevented, v.rule.ID)
					wish.State = "prevented"
				}
			}
			for _, v := range c.fired(rules.Failure, rules.Exposure) {
				if slices.Contains(v.rule.Opens, anomaly.Text) {
					wish.Opened = append(wish.Opened, v.rule.ID)
				}
			}
		}
		found = append(found, wish)
	}
	return found
}
