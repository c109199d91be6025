package advise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/rules"
)

// order is 0 for the highest level.
func (l Level) order() int { return slices.Index([]Level{High, Medium, Low}, l) }

// confidence is the share of what bears on a decision that is known: the facts
// that fired it, and the fields that inform it. Three things hold it down whatever
// the share: a boundary or a rival that is not ruled out (medium at most), and a
// contradiction between requirements that bears on it (low).
func (c *considered) confidence(v *verdict) Confidence {
	conf := Confidence{Known: len(v.Facts), Of: len(v.Facts) + len(v.rule.InformedBy)}
	for _, path := range v.rule.InformedBy {
		if c.known(path) {
			conf.Known++
		} else {
			conf.Missing = append(conf.Missing, path)
		}
	}
	conf.Level = levelOf(conf.Known, conf.Of)
	hold := func(most Level, why string) {
		conf.Lowered = append(conf.Lowered, why)
		if conf.Level.order() < most.order() {
			conf.Level = most
		}
	}
	for _, b := range c.are(rules.Unknown, rules.Boundary) {
		hold(Medium, fmt.Sprintf("boundary %s is not ruled out: %s", b.rule.ID, strings.Join(b.Missing, ", ")))
	}
	for _, id := range v.rule.Rivals {
		if rival := c.byID[id]; rival.Truth == rules.Unknown {
			hold(Medium, fmt.Sprintf("%s is not ruled out: %s", id, strings.Join(rival.Missing, ", ")))
		}
	}
	for _, x := range c.fired(rules.Contradiction) {
		if slices.Contains(x.rule.Bears, v.rule.ID) {
			hold(Low, "requirements contradict each other: "+x.rule.ID)
		}
	}
	return conf
}

// levelOf compares a share with the thresholds.
func levelOf(known, of int) Level {
	share := 100 * float64(known) / float64(max(1, of))
	if high, ok := rules.LookupThreshold("confidence_high"); ok && share >= high.Amount() {
		return High
	}
	if medium, ok := rules.LookupThreshold("confidence_medium"); ok && share >= medium.Amount() {
		return Medium
	}
	return Low
}

// known is true of a field with a value; of the field of a list if the list is
// known and each of its elements has one.
func (c *considered) known(path string) bool {
	list, field, isList := strings.Cut(path, "[].")
	if !isList {
		return c.w.Get(path).Known
	}
	n, given := c.w.Count(list)
	for i := range n {
		given = given && c.w.Get(fmt.Sprintf("%s[%d].%s", list, i, field)).Known
	}
	return given
}
