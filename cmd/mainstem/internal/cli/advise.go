package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/anomaly"
	"github.com/mainstemdb/mainstem/advise/gate"
	"github.com/mainstemdb/mainstem/advise/page"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// adviseCmd is the decision half: from the description of a workload to decisions.
type adviseCmd struct {
	Report  adviseReportCmd  `cmd:"" default:"withargs" help:"Decide: what the rules make of a description; without one, ask."`
	Ask     adviseAskCmd     `cmd:"" help:"Ask for a description, or for what is missing in one, and decide."`
	Init    adviseInitCmd    `cmd:"" help:"Write a commented description to fill in."`
	Explain adviseExplainCmd `cmd:"" help:"Explain a rule, an anomaly, an isolation level, a threshold, or a symptom in your words."`
	Rules   adviseRulesCmd   `cmd:"" help:"List the rules."`
	Schema  adviseSchemaCmd  `cmd:"" help:"Print the JSON Schema of descriptions."`
	Calc    adviseCalcCmd    `cmd:"" help:"Compute: quorums, tails, waiting, duplicates, stampedes, capacity."`
	Diff    adviseDiffCmd    `cmd:"" help:"Say which decisions differ between two descriptions."`
	WhatIf  adviseWhatIfCmd  `cmd:"" help:"Say one field differently, value by value, and show where decisions flip."`
	Observe adviseObserveCmd `cmd:"" help:"Read observed figures from Prometheus into a description."`
	MCP     adviseMCPCmd     `cmd:"" name:"mcp" help:"Serve all of this to an assistant, through the Model Context Protocol."`
	Skill   adviseSkillCmd   `cmd:"" help:"Write a skill file for an assistant, made from the rules."`
}

// Help is shown below the flags.
func (*adviseCmd) Help() string {
	return `Examples:

    mainstem advise
    mainstem advise init > shop.yaml
    mainstem advise shop.yaml
    mainstem advise explain lost_update`
}

type adviseReportCmd struct {
	File   string `arg:"" optional:"" name:"FILE.yaml" help:"The description; - is standard input. Without it, you are asked: see mainstem advise ask --help."`
	Output string `short:"o" help:"Without a description: keep the answers in this file, which must be new." placeholder:"NEW.yaml"`
	Plain  bool   `help:"Without a description: ask line by line, without a form."`
	As     string `help:"markdown, html, json (which --json means too), or gates: the quality gates as YAML, to be kept beside the code." enum:"markdown,html,json,gates" default:"markdown" placeholder:"FORM"`
	Go     string `help:"Write a Go program for what is recommended into this directory, which must be new or empty, and say how to run it, in place of the answer." placeholder:"DIR" type:"path"`
}

// Help is shown below the flags.
func (*adviseReportCmd) Help() string {
	return `Prints decisions with the rule, the facts and the lines that they come from, what they cost, the strongest alternatives, and how to verify them; first of all, what was assumed because nobody said it. The same description gives the same answer, byte for byte. A description that is wrong is exit code 2, with line and column of each problem.

Examples:

    mainstem advise init > shop.yaml
    mainstem advise shop.yaml
    mainstem advise shop.yaml --as html > shop.html
    mainstem advise shop.yaml --json
    mainstem advise shop.yaml --as gates > gates.yaml
    mainstem advise shop.yaml --go shop`
}

func (c *adviseReportCmd) Run(e *env) error {
	switch {
	case c.File == "" && c.Go != "":
		return misused("be asked first: mainstem advise ask shop.yaml; then mainstem advise shop.yaml --go DIR", "--go takes a description, and none is given")
	case c.File == "":
		return (&adviseAskCmd{Output: c.Output, Plain: c.Plain, As: c.As}).Run(e)
	case c.Output != "" || c.Plain:
		return misused("to be asked for what is missing, mainstem advise ask "+c.File, "-o and --plain go with questions, and there are none where a description is given")
	}
	answer, err := e.advice(c.File)
	if err != nil {
		return err
	}
	if c.Go != "" {
		return e.program(answer, c.Go)
	}
	return e.answer(answer, c.As)
}

// answer prints an answer in one of its forms.
func (e *env) answer(answer *advise.Answer, as string) error {
	if e.json || as == "json" {
		return e.object(answer)
	}
	if as == "gates" {
		text, err := gate.Of(answer).YAML()
		if err == nil {
			_, err = e.out.Write(text)
		}
		return err
	}
	write := page.Markdown
	if as == "html" {
		write = page.HTML
	}
	text, err := write(answer)
	if err != nil {
		return err
	}
	_, err = e.out.WriteString(text)
	return err
}

// advice is what the rules make of a file.
func (e *env) advice(file string) (*advise.Answer, error) {
	_, w, err := e.described(file)
	if err != nil {
		return nil, err
	}
	return advise.Advise(w), nil
}

// described reads a description.
func (e *env) described(file string) (text []byte, w *workload.Workload, err error) {
	text, err = e.input(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, notFound("check the name; mainstem advise ask asks for a new one; mainstem advise --help lists the commands", "there is no description %s", shortened(file))
	}
	if err != nil {
		return nil, nil, err
	}
	w, err = decoded(file, text)
	return text, w, err
}

// decoded is the description in a file.
func decoded(file string, text []byte) (*workload.Workload, error) {
	w, err := workload.Decode(text)
	var problems workload.Problems
	if errors.As(err, &problems) {
		return nil, misused("correct it; mainstem advise init shows every field", "%s: %s", file, problems)
	}
	return w, err
}

type adviseInitCmd struct{}

// Help is shown below the flags.
func (*adviseInitCmd) Help() string {
	return `Every field is there, with the question, why it is asked, and what not knowing costs. What you do not know stays unknown: it is then listed as an assumption.

Examples:

    mainstem advise init > shop.yaml`
}

func (*adviseInitCmd) Run(e *env) error {
	_, err := e.out.Write(workload.Example())
	return err
}

type adviseSchemaCmd struct{}

// Help is shown below the flags.
func (*adviseSchemaCmd) Help() string {
	return `For editors that complete and check YAML.

Examples:

    mainstem advise schema > workload.schema.json`
}

func (*adviseSchemaCmd) Run(e *env) error {
	_, err := e.out.Write(workload.Schema())
	return err
}

type adviseExplainCmd struct {
	Term []string `arg:"" name:"TERM" help:"The ID of a rule, an anomaly, a level of a product (oracle serializable), a consistency model, a threshold, a line of a guide (000:40), or a symptom."`
}

// Help is shown below the flags.
func (*adviseExplainCmd) Help() string {
	return `Lists what fits, the best first. Nothing that fits is exit code 3.

Examples:

    mainstem advise explain lost_update
    mainstem advise explain oracle serializable
    mainstem advise explain users see old data after they saved
    mainstem advise explain 000:40 --json`
}

func (c *adviseExplainCmd) Run(e *env) error {
	term := strings.Join(c.Term, " ")
	hits := rules.Explain(term, anomalies)
	if len(hits) == 0 {
		return notFound("mainstem advise rules lists them", "no rule, anomaly, level, threshold or symptom fits %s", shortened(term))
	}
	for _, h := range hits {
		if e.json {
			if err := e.object(h); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.out, "%s  %s\n", h.ID, h.Title)
		if h.Rule == nil {
			fmt.Fprintf(e.out, "    %s\n", strings.ReplaceAll(h.Text, "\n", "\n    "))
			continue
		}
		e.remedies(h.Rule)
	}
	return nil
}

// anomalies explains what anomalies, levels and models are.
func anomalies(term string) (hits []rules.Hit) {
	for _, e := range anomaly.Explain(term) {
		text := e.Text + "\nfrom: " + strings.Join(e.Source, "; ")
		hits = append(hits, rules.Hit{ID: e.Name, Kind: e.Kind, Title: e.Title, Text: text, Score: e.Score})
	}
	return hits
}

// remedies prints what to do about a rule, and where it comes from.
func (e *env) remedies(r *rules.Rule) {
	if r.Decide != "" {
		fmt.Fprintf(e.out, "    do: %s\n", r.Decide)
	}
	if r.Detect != "" {
		fmt.Fprintf(e.out, "    detect: %s\n", r.Detect)
	}
	for _, f := range r.Fixes {
		fmt.Fprintf(e.out, "    %s: %s\n", f.When, f.Do)
	}
	fmt.Fprintf(e.out, "    from: %s\n", cmp.Or(strings.Join(r.Source, ", "), "ours"))
}

type adviseRulesCmd struct {
	Kind string `help:"Only this kind: decision, failure, exposure, contradiction, boundary, delegation, gate, and so on." placeholder:"KIND"`
}

// Help is shown below the flags.
func (*adviseRulesCmd) Help() string {
	return `Prints kind, ID, title and lines of the guides; --json has each rule whole, conditions and counter-examples included.

Examples:

    mainstem advise rules
    mainstem advise rules --kind failure --json`
}

func (c *adviseRulesCmd) Run(e *env) error {
	listed := 0
	for _, r := range rules.All() {
		if c.Kind != "" && string(r.Kind) != c.Kind {
			continue
		}
		listed++
		if e.json {
			if err := e.object(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.out, "%-13s %-32s %s (%s)\n", r.Kind, r.ID, r.Title, cmp.Or(strings.Join(r.Source, ", "), "ours"))
	}
	if listed == 0 {
		return misused("leave --kind out to see them", "there are no rules of the kind %s", shortened(c.Kind))
	}
	return nil
}

type adviseDiffCmd struct {
	Old string `arg:"" name:"OLD.yaml" help:"A description."`
	New string `arg:"" name:"NEW.yaml" help:"Another."`
}

// Help is shown below the flags.
func (*adviseDiffCmd) Help() string {
	return `Prints the decisions that go (-) and come (+), and those that are there in both with another confidence (~).

Examples:

    mainstem advise diff shop.yaml shop-next-year.yaml
    mainstem advise diff shop.yaml shop-next-year.yaml --json`
}

func (c *adviseDiffCmd) Run(e *env) error {
	before, err := e.advice(c.Old)
	if err != nil {
		return err
	}
	after, err := e.advice(c.New)
	if err != nil {
		return err
	}
	for _, one := range advise.Diff(before, after) {
		if e.json {
			if err := e.object(one); err != nil {
				return err
			}
			continue
		}
		switch {
		case one.New == "":
			fmt.Fprintf(e.out, "- %s: %s (%s)\n", one.Rule, one.Title, one.Old)
		case one.Old == "":
			fmt.Fprintf(e.out, "+ %s: %s (%s)\n", one.Rule, one.Title, one.New)
		default:
			fmt.Fprintf(e.out, "~ %s: %s (%s, was %s)\n", one.Rule, one.Title, one.New, one.Old)
		}
	}
	return nil
}
