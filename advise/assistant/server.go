// Package assistant serves advice to coding assistants: a server of the Model
// Context Protocol, and a skill file made from the rules.
//
// What a tool returns is what the other packages return, as structured content, so
// each claim has the ID of its rule. A tool keeps nothing between calls: an
// assistant holds the description, and sends it whole.
package assistant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// instructions are shown to an assistant when it connects.
const instructions = `Design decisions for services whose difficulty is data: consistency, isolation, retries, locks, caches, replication. ` +
	`Describe the workload with ask, which says what to find out next and why; decide with advise; never answer a question of ask yourself that only the user can answer: say unknown. ` +
	`Each decision names its rule: explain it with explain, and quote the rule's ID. What advise lists under assumptions was not known; say so. If it turns away, say where to turn, and stop.`

// tool is one tool: a schema for what it takes, a value for the shape of what
// it gives, and what it does.
type tool struct {
	name, about string
	in          schema
	out         any // of the type that call returns
	call        func(arguments json.RawMessage) (any, error)
}

// NewServer is a server with all tools. What explains anomalies and isolation
// levels beside the rules is given to it. Run it on a transport.
func NewServer(version string, more ...rules.Source) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "mainstem-advise", Version: version}, &mcp.ServerOptions{Instructions: instructions})
	for _, t := range tools(more) {
		s.AddTool(&mcp.Tool{
			Name: t.name, Description: t.about, InputSchema: t.in, OutputSchema: shapeOf(t.out),
			Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true},
		}, t.handle)
	}
	return s
}

// handle answers one call. A mistake of the caller is a result that says so, as
// the protocol asks for, so that an assistant can correct it.
func (t tool) handle(_ context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	result, err := t.call(req.Params.Arguments)
	if err != nil {
		return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: t.name + ": " + err.Error()}}}, nil
	}
	text, err := encode(result)
	if err != nil {
		return nil, err
	}
	return &mcp.CallToolResult{
		Content:           []mcp.Content{&mcp.TextContent{Text: string(text)}}, // for clients that know no structured content
		StructuredContent: json.RawMessage(text),
	}, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// read reads arguments, and refuses those that a tool does not have.
func read(arguments json.RawMessage, into any) error {
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(arguments))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the arguments: %w; see the input schema of the tool", err)
	}
	return nil
}

// description is a workload, as an object or as the text of a file.
type description struct {
	Workload json.RawMessage `json:"workload"`
	YAML     string          `json:"yaml"`
}

// decode reads a description. Lines and columns are told of a text only: an
// object has none that its sender knows.
func (d description) decode() (*workload.Workload, error) {
	object := len(d.Workload) > 0 && string(d.Workload) != "null"
	if object && d.YAML != "" {
		return nil, errors.New("workload and yaml are two descriptions; give one")
	}
	text := []byte(d.YAML)
	if object {
		var v any // written anew: YAML does not read all escapes that JSON has
		dec := json.NewDecoder(bytes.NewReader(d.Workload))
		dec.UseNumber()
		err := dec.Decode(&v)
		if err == nil {
			text, err = encode(v)
		}
		if err != nil {
			return nil, err
		}
	}
	w, err := workload.Decode(text)
	var bad workload.Problems
	if object && errors.As(err, &bad) {
		for i := range bad {
			bad[i].Line, bad[i].Column = 0, 0
		}
		return nil, bad
	}
	return w, err
}
