package cli

import (
	"fmt"
	"maps"
	"strings"

	"github.com/mainstemdb/mainstem/advise/numbers"
)

type adviseCalcCmd struct {
	Name   string            `arg:"" optional:"" name:"NAME" help:"The calculator; without it, they are listed."`
	Inputs map[string]string `arg:"" optional:"" name:"INPUT=VALUE" help:"Its inputs, with units; without any, its example is computed."`
}

// Help is shown below the flags.
func (*adviseCalcCmd) Help() string {
	return `Prints the figures, the formula, where it comes from, and what it takes for granted. The same inputs give the same figures; simulations take a seed.

Examples:

    mainstem advise calc
    mainstem advise calc quorum n=3 w=2 r=2
    mainstem advise calc queue rate=800/s "work=2 ms" servers=2
    mainstem advise calc stale n=3 w=1 r=1 "write=5 ms" "read=1 ms" "after=10 ms" --json`
}

func (c *adviseCalcCmd) Run(e *env) error {
	if c.Name == "" {
		return c.list(e)
	}
	calc, ok := numbers.Lookup(c.Name)
	if !ok {
		return misused("mainstem advise calc lists them", "no calculator is called %s", shortened(c.Name))
	}
	said := c.Inputs
	if len(said) == 0 {
		said = calc.Example()
	}
	figures, err := calc.Run(maps.Clone(said))
	if err != nil {
		return misused("see mainstem advise calc "+calc.Name, "%v", err)
	}
	if e.json {
		return e.object(struct {
			numbers.Calculator
			Said    map[string]string `json:"said"`
			Figures []numbers.Figure  `json:"figures"`
		}{calc, said, figures})
	}
	e.field("about", calc.About)
	for _, in := range calc.Inputs {
		value, given := said[in.Name]
		if !given {
			value = in.Example
		}
		e.field("  "+in.Name, value+"  ("+in.Ask+")")
	}
	for _, f := range figures {
		fmt.Fprintf(e.out, "%-48s %s\n", f.Name, f.Text)
	}
	e.field("formula", calc.Formula)
	e.field("source", calc.Source)
	e.field("assumes", strings.Join(calc.Assumes, "; "))
	return nil
}

func (c *adviseCalcCmd) list(e *env) error {
	for _, calc := range numbers.All() {
		if e.json {
			if err := e.object(calc); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.out, "%-12s %s\n", calc.Name, calc.About)
	}
	return nil
}
