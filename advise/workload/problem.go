package workload

import (
	"fmt"
	"strings"
)

// Problem is one thing wrong with a description.
type Problem struct {
	Line   int    `json:"line"`           // from 1; 0 if it is about no line
	Column int    `json:"column"`         // from 1, in characters
	Path   string `json:"path,omitempty"` // operations[0].rate
	What   string `json:"what"`           // what is wrong, and what to do
}

// String is LINE:COLUMN: PATH: what is wrong.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d: ", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	return b.String() + p.What
}

// LimitProblems is how many problems are listed; reading ends there.
const LimitProblems = 50

// Problems is the error of a description that cannot be used: everything
// wrong with it, in the order of the file.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return "workload: " + strings.Join(lines, "\nworkload: ")
}
