package cli

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/advise/sweep"
)

type adviseWhatIfCmd struct {
	File   string `arg:"" name:"FILE.yaml" help:"The description; - is standard input."`
	Field  string `arg:"" name:"FIELD" help:"The field to vary, by its path: observed.p99, operations[0].hottest_key."`
	Values string `arg:"" optional:"" name:"VALUES" help:"A range, FROM..TO, or some values, A,B,C. Without it, all values of a yes or no, or of a choice."`
}

// Help is shown below the flags.
func (*adviseWhatIfCmd) Help() string {
	return `Says the field differently and everything else as it is, and prints what comes (+), goes (-) or is sure in another way (~) where it does. A range is searched, not only sampled: its flips are exact to 1 µs, 1 byte, 0.001 %, 0.001/s, or 1. With --json, a line for each stretch of values with its whole outcome.

Examples:

    mainstem advise what-if shop.yaml observed.p99 "100 ms..2 s"
    mainstem advise what-if shop.yaml quorum.w 1..5
    mainstem advise what-if shop.yaml consistency.available_in_partition
    mainstem advise what-if shop.yaml architecture.stores[0].isolation read_committed,serializable --json`
}

func (c *adviseWhatIfCmd) Run(e *env) error {
	_, w, err := e.described(c.File)
	if err != nil {
		return err
	}
	r, err := sweep.Run(w, c.Field, c.Values)
	if err != nil {
		return misused("see mainstem advise what-if --help", "%v", err)
	}
	if e.json {
		for _, s := range r.Spans {
			if err := e.object(s); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(e.out, "%s, now %s: %s\n", r.Field, r.Now, r.Ask)
	for _, s := range r.Spans {
		fmt.Fprintf(e.out, "%s\n", stretchOf(s))
		switch {
		case s.Refused != "":
			fmt.Fprintf(e.out, "  cannot be: %s\n", strings.ReplaceAll(s.Refused, "\n", "\n  "))
		case s.From == r.Spans[0].From:
			fmt.Fprintf(e.out, "  %s\n", outcomeOf(s.Outcome))
		case len(s.Changes) == 0:
			fmt.Fprintln(e.out, "  as the one before")
		}
		for _, one := range s.Changes {
			fmt.Fprintf(e.out, "  %s\n", flipOf(one))
		}
	}
	if len(r.Spans) == 1 && r.Spans[0].From != r.Spans[0].To {
		fmt.Fprintln(e.out, "nothing flips in this range")
	}
	return nil
}

// stretchOf names a stretch of values by its ends.
func stretchOf(s sweep.Span) string {
	switch {
	case s.From == s.To:
		return s.From
	case s.Begins != nil:
		return s.Begins.String() + " to " + s.To
	}
	return "from " + s.From + " to " + s.To
}

// outcomeOf is what is decided at first, by name.
func outcomeOf(o sweep.Outcome) string {
	if len(o.TurnedAway) > 0 {
		return "turned away: " + strings.Join(o.TurnedAway, ", ")
	}
	var parts []string
	var decisions []string
	for _, d := range o.Decisions {
		decisions = append(decisions, d.Rule)
	}
	for _, p := range []struct {
		what string
		ids  []string
	}{{"decided", decisions}, {"contradictions", o.Contradictions}, {"open to", o.Exposures}} {
		if len(p.ids) > 0 {
			parts = append(parts, p.what+": "+strings.Join(p.ids, ", "))
		}
	}
	if len(parts) == 0 {
		return "nothing is decided"
	}
	return strings.Join(parts, "; ")
}

func flipOf(c sweep.Change) string {
	level := func(old, now string) string {
		switch {
		case old != "" && now != "":
			return " (" + now + ", was " + old + ")"
		case old+now != "":
			return " (" + old + now + ")"
		}
		return ""
	}
	sign := "~"
	if c.Comes {
		sign = "+"
	} else if c.Goes {
		sign = "-"
	}
	return fmt.Sprintf("%s %s %s: %s%s", sign, c.Kind, c.Rule, c.Title, level(string(c.Old), string(c.New)))
}
