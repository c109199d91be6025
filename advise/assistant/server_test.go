package assistant_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/assistant"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// connect is a client of a server, both of the SDK, in one process.
func connect(t *testing.T, more ...rules.Source) *mcp.ClientSession {
	t.Helper()
	here, there := mcp.NewInMemoryTransports()
	server, err := assistant.NewServer("test", more...).Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		_ = server.Wait() // it ends because its client has
	})
	return client
}

type object = map[string]any

// call calls a tool. What comes back fits the output schema that it published.
func call(t *testing.T, c *mcp.ClientSession, name string, arguments any) (structured []byte, failed string) {
	t.Helper()
	result, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	said, ok := result.Content[0].(*mcp.TextContent)
	if !ok || len(result.Content) != 1 {
		t.Fatalf("%s: %d contents, the first a %T", name, len(result.Content), result.Content[0])
	}
	if result.IsError {
		return nil, said.Text
	}
	structured, err = json.Marshal(result.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(structured, &a) != nil || json.Unmarshal([]byte(said.Text), &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("%s: text and structured content differ", name)
	}
	tools, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range tools.Tools {
		if one.Name == name {
			if err := compiled(t, one.OutputSchema).Validate(a); err != nil {
				t.Errorf("%s: the result does not fit its schema: %v", name, err)
			}
		}
	}
	return structured, ""
}

func compiled(t *testing.T, schema any) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func into[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func payments(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "workloads", "payments.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestToolsTellWhatTheyTake: names, schemas that compile, and limits.
func TestToolsTellWhatTheyTake(t *testing.T) {
	c := connect(t)
	listed, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	size := 0
	for _, one := range listed.Tools {
		names = append(names, one.Name)
		in := compiled(t, one.InputSchema)
		if one.Description == "" || !one.Annotations.ReadOnlyHint {
			t.Errorf("%s: no description, or it does not say that it changes nothing", one.Name)
		}
		if in.Validate(object{"nonsense": true}) == nil {
			t.Errorf("%s: its schema takes anything", one.Name)
		}
		text, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		size += len(text)
	}
	if got := strings.Join(names, " "); got != "advise ask calc diff explain rules what_if" {
		t.Errorf("tools are %s", got)
	}
	if size > 36<<10 { // an assistant pays for it in every conversation
		t.Errorf("the tools are described in %d bytes", size)
	}
	if c.InitializeResult().Instructions == "" {
		t.Error("no instructions")
	}
}

// TestSchemaTakesWhatTheTableHas: each field's example, and no other field.
func TestSchemaTakesWhatTheTableHas(t *testing.T) {
	c := connect(t)
	listed, err := c.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	in := compiled(t, listed.Tools[0].InputSchema)
	for _, s := range workload.Sections() {
		for _, f := range s.Fields {
			name, nested := strings.TrimSuffix(s.Path, "[]"), false
			var value any = object{f.Name: f.Example}
			if f.Kind == workload.Number {
				value = object{f.Name: 2}
			}
			if s.List {
				value = []any{value}
			}
			if _, rest, ok := strings.Cut(name, "."); ok {
				value, name, nested = object{rest: value}, "architecture", true
			}
			if err := in.Validate(object{"workload": object{name: value}}); err != nil {
				t.Errorf("%s (nested %t): %v", f.Path, nested, err)
			}
		}
	}
	if in.Validate(object{"workload": object{"consistency": object{"stronk": "yes"}}}) == nil || in.Validate(object{"workload": object{"load": object{"access": "x"}}}) == nil {
		t.Error("a field or a value that does not exist fits the schema")
	}
}

func TestAdvise(t *testing.T) {
	c := connect(t)
	w, err := workload.Decode([]byte(payments(t)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(advise.Advise(w))
	if err != nil {
		t.Fatal(err)
	}
	got, failed := call(t, c, "advise", object{"yaml": payments(t)})
	var a, b any
	if json.Unmarshal(got, &a) != nil || json.Unmarshal(want, &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("another answer than the package gives: %s", failed)
	}
	got, _ = call(t, c, "advise", object{"workload": object{
		"about":       object{"name": "\U0001F600"},
		"consistency": object{"strong": true, "coordination_bearable": "yes", "ordering_needed": nil},
		"quorum":      object{"n": 3, "w": 2},
		"never":       []object{{"words": "Two get the last item.", "anomaly": "double_spend"}},
	}})
	answer := into[advise.Answer](t, got)
	if answer.Name != "\U0001F600" || len(answer.Decisions) == 0 || answer.Decisions[0].Rule != "linearizable" || answer.Wishes[0].State != "prevented" {
		t.Errorf("%s", got)
	}
	for _, p := range []struct{ with, want string }{
		{`{"yaml": "consistancy: {}"}`, "advise: workload: 1:1: consistancy: no such field"},
		{`{"workload": {"consistency": {"stronk": true}}}`, `consistency.stronk: no such field, did you mean "strong"?`},
		{`{"workload": {"objectives": {"p99": "2 secs"}}}`, `did you mean "s"?`},
		{`{"workload": {}, "yaml": "a: b"}`, "give one"},
		{`{"workload": [1]}`, "a list where fields are expected"},
		{`{"description": "x"}`, "unknown field"},
	} {
		if _, failed := call(t, c, "advise", json.RawMessage(p.with)); !strings.Contains(failed, p.want) || strings.Contains(p.with, "{\"workload") && strings.Contains(failed, "1:") {
			t.Errorf("%s: %q, want %q", p.with, failed, p.want)
		}
	}
}

// TestAskToTheEnd holds a whole conversation: answers go back with the description
// until nothing is open, and it comes to what the file of the workload comes to.
func TestAskToTheEnd(t *testing.T) {
	c := connect(t)
	full, err := workload.Decode([]byte(payments(t)))
	if err != nil {
		t.Fatal(err)
	}
	text, asked := "", map[string]bool{}
	for range 100 {
		in := object{"yaml": text, "limit": 20}
		answers := map[string]string{}
		got, failed := call(t, c, "ask", in)
		out := into[assistant.Asked](t, got)
		if failed != "" {
			t.Fatal(failed)
		}
		if len(out.Questions) == 0 {
			break
		}
		for _, q := range out.Questions {
			asked[q.Path] = true
			if q.About == "field" {
				answers[q.Path] = full.Get(q.Path).String()
				continue
			}
			n, _ := full.Count(q.Path)
			answers[q.Path] = "none"
			for e := range n {
				delete(answers, q.Path)
				for _, s := range workload.Sections() {
					if s.Path == q.Path+"[]" {
						answers[fmt.Sprintf("%s[%d].%s", q.Path, e, s.Fields[0].Name)] = full.Get(fmt.Sprintf("%s[%d].%s", q.Path, e, s.Fields[0].Name)).String()
					}
				}
			}
		}
		in["answers"] = answers
		got, failed = call(t, c, "ask", in)
		if failed != "" {
			t.Fatal(failed)
		}
		next := into[assistant.Asked](t, got)
		text = next.YAML
	}
	if got, _ := call(t, c, "ask", object{"yaml": text}); into[assistant.Asked](t, got).Open != 0 {
		t.Errorf("it does not end: %s", got)
	}
	w, err := workload.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	rank := func(w *workload.Workload) (ids []string) {
		for _, d := range advise.Advise(w).Decisions {
			ids = append(ids, d.Rule+" "+string(d.Confidence.Level))
		}
		return ids
	}
	if got, want := fmt.Sprint(rank(w)), fmt.Sprint(rank(full)); got != want {
		t.Errorf("after %d questions\n%s\nnot\n%s", len(asked), got, want)
	}
}

func TestAskRefuses(t *testing.T) {
	c := connect(t)
	got, _ := call(t, c, "ask", object{"yaml": "reads: [{name: a}]", "answers": map[string]string{
		"consistency.strong": "yes", "consistency.stronk": "yes", "objectives.p99": "2 secs", "reads": "none", "operations": "none",
		"reads[12].rate": "1/s", "reads[2].name": "c", "reads[1].name": "b", "observed": "no", "practice": "perhaps",
	}})
	out := into[assistant.Asked](t, got)
	want := map[string]string{
		"consistency.stronk": "did you mean", "objectives.p99": `did you mean "s"?`, "reads": "of which 3 are described",
		"reads[12].rate": "set reads[3] first", "practice": "neither yes nor no",
	}
	for _, r := range out.Refused {
		if !strings.Contains(r.Why, want[r.Path]) || want[r.Path] == "" {
			t.Errorf("%s: %s", r.Path, r.Why)
		}
		delete(want, r.Path)
	}
	if len(want) > 0 || !strings.Contains(out.YAML, "strong: yes") || !strings.Contains(out.YAML, "operations: []") || !strings.Contains(out.YAML, "name: c") {
		t.Errorf("not refused: %v; taken:\n%s", want, out.YAML)
	}
	if len(out.Questions) != 5 || out.Open <= 5 {
		t.Errorf("%d questions of %d", len(out.Questions), out.Open)
	}
	many := map[string]string{}
	for i := range assistant.LimitAnswers + 1 {
		many[fmt.Sprintf("f%d", i)] = "yes"
	}
	for _, p := range []struct {
		in   object
		want string
	}{
		{object{"answers": many}, "501 answers, more than 500"},
		{object{"limit": assistant.LimitQuestions + 1}, "it is 1 to 50"},
		{object{"limit": -1}, "it is 1 to 50"},
		{object{"yaml": "a"}, "where fields are expected"},
	} {
		if _, failed := call(t, c, "ask", p.in); !strings.Contains(failed, p.want) {
			t.Errorf("%q, want %q", failed, p.want)
		}
	}
	delete(many, "f0")
	if _, failed := call(t, c, "ask", object{"answers": many, "limit": assistant.LimitQuestions}); failed != "" {
		t.Errorf("at the limits: %s", failed)
	}
}

// TestOtherTools: one call of each, and one mistake of each kind.
func TestOtherTools(t *testing.T) {
	c := connect(t, func(term string) []rules.Hit {
		if term == "mine" {
			return []rules.Hit{{ID: "mine", Kind: "own", Score: 100}}
		}
		return nil
	})
	for _, p := range []struct{ tool, with, want string }{
		{"explain", `{"term": "fencing"}`, `"id":"fencing"`},
		{"explain", `{"term": "mine"}`, `"kind":"own"`},
		{"explain", `{"term": "qqqqq"}`, `! nothing fits "qqqqq"`},
		{"explain", `{}`, "! nothing fits"},
		{"calc", `{}`, `"name":"available"`},
		{"calc", `{"name": "quorum", "inputs": {"n": "3", "w": "1", "r": "2"}}`, `"text":"0"`},
		{"calc", `{"name": "quorum"}`, `"said":{"n":"3"`},
		{"calc", `{"name": "quorum", "inputs": {"n": "x"}}`, "! n:"},
		{"calc", `{"name": "nothing"}`, "! no calculator"},
		{"diff", `{"old": {"yaml": ""}, "new": {"yaml": "consistency: {strong: yes, coordination_bearable: yes}"}}`, `"rule":"linearizable"`},
		{"diff", `{"old": {"yaml": ""}, "new": {"yaml": "x: 1"}}`, "! new: workload: 1:1"},
		{"diff", `{"old": {"yaml": "x: 1"}, "new": {}}`, "! old: workload: 1:1"},
		{"what_if", `{"yaml": "consistency: {coordination_bearable: yes}", "field": "consistency.strong"}`, `"goes":true`},
		{"what_if", `{"field": "quorum.n", "values": "3..1"}`, "! sweep: quorum.n: 3 is not below 1"},
		{"rules", `{"kind": "gate"}`, `"id":"gate-model"`},
		{"rules", `{"id": "fencing"}`, `"example":{`},
		{"rules", `{"id": "fencing", "kind": "gate"}`, "! there is no rule"},
		{"rules", `{"kind": "x"}`, "! there are no rules of that kind"},
		{"rules", `[]`, "! the arguments"},
		{"rules", `{"name": 1}`, "! the arguments"},
	} {
		got, failed := call(t, c, p.tool, json.RawMessage(p.with))
		wrong, isError := strings.CutPrefix(p.want, "! ")
		if isError && !strings.Contains(failed, p.tool+": "+wrong) || !isError && !strings.Contains(string(got), p.want) {
			t.Errorf("%s %s: %.300s%s, want %s", p.tool, p.with, got, failed, p.want)
		}
	}
}

// FuzzCall: whatever arguments come, there is a result or an error in words.
func FuzzCall(f *testing.F) {
	for _, seed := range []string{`{}`, `{"yaml":"a"}`, `{"workload":{"quorum":{"n":1e9}}}`, `{"answers":{"operations[0].name":"x"},"limit":3}`, `[1]`, `{"term":"\ud800"}`, `null`} {
		f.Add(uint8(len(seed)), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which uint8, arguments []byte) {
		if result, err := assistant.Call(int(which), arguments); err == nil && !json.Valid(result) || err != nil && err.Error() == "" {
			t.Fatalf("%d %q: %q, %v", which, arguments, result, err)
		}
	})
}
