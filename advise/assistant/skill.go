package assistant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/numbers"
	"github.com/mainstemdb/mainstem/advise/rules"
)

const skillHead = `---
name: mainstem-advise
description: Decide about consistency, isolation levels, retries and idempotency, locks and leases, caches, replication, events and sagas in services that share data; explain anomalies and failure modes; review an architecture against quality gates. Use it before code is written that reads, decides and writes, that retries, or that tells two systems of one change.
---

# Decisions about shared data

Made from the rules of ` + "`mainstem advise`" + `; do not edit it, write it anew: ` + "`mainstem advise skill`" + `. Each line ends in the ID of its rule. Quote
the ID with what you say, so that it can be challenged, and read the rule whole before you rest on it: ` + "`mainstem advise explain ID`" + `.

## When to use this

- Before code is written that reads a value, decides, and writes; that repeats a call; that takes a lock; that caches; or that changes
  a row and sends a message.
- When somebody names a symptom: lost or doubled data, stale reads, spikes, cascades.
- When a design or an architecture is reviewed, and before it goes live.

Not for what is listed under [Boundaries](#boundaries): say where to turn, and stop.

## How to work

1. Ask, do not guess. ` + "`ask`" + ` says what to find out next, why, and what not knowing it costs. What only the user can know is asked of the
   user; what is not known is ` + "`unknown`" + `, and the answer lists it as an assumption.
2. Decide with ` + "`advise`" + `. Tell assumptions first, then contradictions, whose choice is the user's, then decisions with their costs.
3. Run the check that a decision names. *Not yet* means that there is none: say so.
4. Compute figures with ` + "`calc`" + `, not in your head. Find what a decision hangs on with ` + "`what_if`" + `.
5. Before it goes live, go through the [gates](#quality-gates).

`

// Skill is the text of a skill file, made from the rules.
func Skill() []byte {
	var b strings.Builder
	b.WriteString(skillHead)
	b.WriteString("## Tools\n\nThrough the Model Context Protocol: `mainstem advise mcp`. The same from a shell: `mainstem advise --help`, with `--json`.\n\n| tool | what it does |\n|---|---|\n")
	for _, t := range tools(nil) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", t.name, t.about)
	}
	b.WriteString("\nCalculators of `calc`: ")
	for i, c := range numbers.All() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + c.Name + "`")
	}
	b.WriteString(".\n\n## Decision points\n\n")
	for _, r := range of(rules.Decision) {
		fmt.Fprintf(&b, "- **%s.** If %s: %s `%s`\n", r.Title, words(r.When), r.Decide, r.ID)
	}
	b.WriteString("\n## Contradictions\n\nRequirements that cannot all be had. Name them; the choice is the user's.\n\n")
	for _, r := range of(rules.Contradiction) {
		fmt.Fprintf(&b, "- If %s: %s `%s`\n", words(r.When), r.Decide, r.ID)
	}
	b.WriteString("\n## Failure modes\n")
	for _, r := range of(rules.Failure) {
		failureMode(&b, &r)
	}
	b.WriteString("\n## Weaknesses of what is in place\n\n")
	for _, r := range of(rules.Exposure) {
		fmt.Fprintf(&b, "- If %s: %s%s `%s`\n", words(r.When), r.Decide, opened(&r), r.ID)
	}
	b.WriteString("\n## Quality gates\n\nNot known counts as not passed.\n\n")
	for _, r := range of(rules.Gate) {
		fmt.Fprintf(&b, "- [ ] **%s.** %s `%s`\n", r.Title, r.Decide, r.ID)
	}
	b.WriteString("\n## Boundaries\n\nBeyond these there is no advice. Say so, name what to use, and stop.\n\n")
	for _, r := range of(rules.Boundary) {
		fmt.Fprintf(&b, "- **%s**, if %s. Turn to: %s", r.Title, words(r.When), r.TurnTo)
		if r.Nevertheless != "" {
			fmt.Fprintf(&b, " %s", r.Nevertheless)
		}
		fmt.Fprintf(&b, " `%s`\n", r.ID)
	}
	b.WriteString("\n## What is answered in part\n\n")
	for _, r := range of(rules.Delegation) {
		fmt.Fprintf(&b, "- **%s.** Answered: %s Not answered: %s Turn to: %s `%s`\n", r.Title, r.Decide, r.Unanswered, r.TurnTo, r.ID)
	}
	return []byte(b.String())
}

// failureMode tells how it shows, how it is found, and its remedies by speed.
func failureMode(b *strings.Builder, r *rules.Rule) {
	fmt.Fprintf(b, "\n### %s `%s`\n\n", r.Title, r.ID)
	for _, s := range r.Symptoms {
		fmt.Fprintf(b, "- Shows as: %s\n", s)
	}
	for _, c := range r.Causes {
		fmt.Fprintf(b, "- Cause: %s\n", c)
	}
	fmt.Fprintf(b, "- Found by: %s\n", r.Detect)
	for _, f := range r.Fixes {
		fmt.Fprintf(b, "- %s: %s\n", f.When, f.Do)
	}
}

func opened(r *rules.Rule) string {
	if len(r.Opens) == 0 {
		return ""
	}
	return " Opens the door to " + strings.Join(r.Opens, ", ") + "."
}

// of are the rules of one kind, in the order of the data.
func of(kind rules.Kind) (found []rules.Rule) {
	for _, r := range rules.All() {
		if r.Kind == kind {
			found = append(found, r)
		}
	}
	return found
}

// words are the conditions of a rule in words, each alternative once.
func words(conditions []rules.Condition) string {
	var all []string
	for i := range conditions {
		var ways []string
		for way := range strings.SplitSeq(conditions[i].Words(), ", or ") {
			if way = strings.TrimPrefix(strings.ReplaceAll(way, ", and and ", ", and "), "and "); !slices.Contains(ways, way) {
				ways = append(ways, way)
			}
		}
		all = append(all, strings.Join(ways, ", or "))
	}
	return strings.Join(all, "; and ")
}
