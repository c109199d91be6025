package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mainstemdb/mainstem/advise/assistant"
)

type adviseMCPCmd struct{}

// Help is shown below the flags.
func (*adviseMCPCmd) Help() string {
	return `Speaks the Model Context Protocol over standard input and output, until its client leaves. Tools: advise, ask, explain, calc, diff, what_if, rules. They change nothing, read no files, and use no network; results are structured, with the IDs of the rules. An assistant is told of it as a server with the command "mainstem" and the arguments "advise", "mcp".

Examples:

    mainstem advise mcp`
}

func (*adviseMCPCmd) Run(e *env) error {
	version, _ := built()
	s := assistant.NewServer(version, anomalies)
	if isTerminal(e.in) {
		e.notef("This waits for an assistant, which starts it itself, and speaks JSON; ctrl+c ends it. To decide by hand: mainstem advise")
	}
	err := s.Run(e.ctx, &mcp.IOTransport{Reader: io.NopCloser(e.in), Writer: flushing{e.out}})
	var broken *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF): // the client has left, which is how it ends
		return nil
	case errors.As(err, &broken):
		return misused("what speaks to it is an assistant; by hand, it is mainstem advise", "standard input is no message of the Model Context Protocol: %v", err)
	}
	return err
}

// flushing hands each message on at once.
type flushing struct{ *bufio.Writer }

func (f flushing) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	return n, errors.Join(err, f.Flush())
}

// Close leaves standard output to its owner.
func (f flushing) Close() error { return f.Flush() }

type adviseSkillCmd struct{}

// Help is shown below the flags.
func (*adviseSkillCmd) Help() string {
	return `A Markdown file with a head that assistants read: when to use it, how to call the tools, decision points, contradictions, failure modes, quality gates and boundaries, each with the ID of its rule. The same rules give the same file.

Examples:

    mainstem advise skill > SKILL.md`
}

func (*adviseSkillCmd) Run(e *env) error {
	_, err := e.out.Write(assistant.Skill())
	return err
}
