package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/assistant"
)

// TestMCP talks to the program over its standard input and output, with a client
// of the protocol's own SDK. The program ends with its client, and says nothing else.
func TestMCP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := binary(t, dir, "advise", "mcp")
	var errs strings.Builder
	cmd.Stderr = &errs
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := client.InitializeResult(); got.ServerInfo.Name != "mainstem-advise" || got.ServerInfo.Version == "" || got.Instructions == "" {
		t.Errorf("it says of itself %+v", got)
	}
	call := func(tool string, arguments, into any) string {
		t.Helper()
		result, err := client.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		if result.IsError {
			said, ok := result.Content[0].(*mcp.TextContent)
			if !ok {
				t.Fatalf("%s: %T", tool, result.Content[0])
			}
			return said.Text
		}
		text, err := json.Marshal(result.StructuredContent)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v in %s", tool, err, text)
		}
		return ""
	}
	var asked assistant.Asked
	answers := map[string]string{"consistency.strong": "yes", "consistency.coordination_bearable": "yes"}
	if failed := call("ask", map[string]any{"answers": answers}, &asked); failed != "" || len(asked.Questions) == 0 {
		t.Fatalf("%s, %d questions", failed, len(asked.Questions))
	}
	var answer advise.Answer
	if failed := call("advise", map[string]any{"yaml": asked.YAML}, &answer); failed != "" || answer.Decisions[0].Rule != "linearizable" {
		t.Errorf("%s%+v", failed, answer.Decisions)
	}
	var explained assistant.Explained
	if failed := call("explain", map[string]any{"term": "oracle serializable"}, &explained); failed != "" || explained.Hits[0].ID != "oracle serializable" {
		t.Errorf("it does not know the levels of products: %s%+v", failed, explained)
	}
	if failed := call("advise", map[string]any{"yaml": "consistancy: {}"}, &answer); !strings.Contains(failed, "1:1: consistancy: no such field") {
		t.Errorf("a mistake: %q", failed)
	}
	if err := client.Close(); err != nil { // it waits for the program
		t.Error(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 || errs.Len() > 0 {
		t.Errorf("exit code %d, standard error %q", code, errs.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// TestMCPListsWhatTheHelpDoes: the tools that help names are those that there are.
func TestMCPListsWhatTheHelpDoes(t *testing.T) {
	t.Parallel()
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).
		Connect(t.Context(), &mcp.CommandTransport{Command: binary(t, t.TempDir(), "advise", "mcp")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := client.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	help := strings.Join(strings.Fields(mainstem(t, t.TempDir(), "", "advise", "mcp", "--help").out), " ")
	_, tail, _ := strings.Cut(help, "Tools: ")
	named, _, _ := strings.Cut(tail, ".")
	var names []string
	for _, one := range listed.Tools {
		names = append(names, one.Name)
	}
	told := strings.Split(named, ", ")
	slices.Sort(told)
	slices.Sort(names)
	if !slices.Equal(told, names) {
		t.Errorf("the help names %v, there are %v", told, names)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
}

// TestMCPOfNobody: what is no client is told so, and nothing hangs.
func TestMCPOfNobody(t *testing.T) {
	t.Parallel()
	if got := mainstem(t, t.TempDir(), "", "advise", "mcp"); got.code != 0 || got.out+got.err != "" {
		t.Errorf("of a client that leaves at once: %+v", got)
	}
	if got := mainstem(t, t.TempDir(), "hello\n", "advise", "mcp"); got.code == 0 || got.out != "" || !strings.Contains(got.err, "mainstem: usage: ") {
		t.Errorf("of what is no client: %+v", got)
	}
	s := onScreen(t, t.TempDir(), "advise", "mcp")
	s.see("waits for an assistant")
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.end(); code != 130 {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// TestSkill prints what the package makes.
func TestSkill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := mainstem(t, dir, "", "advise", "skill")
	if got.code != 0 || got.err != "" || got.out != string(assistant.Skill()) {
		t.Errorf("exit code %d, %s; or it is not what the package makes", got.code, got.err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
