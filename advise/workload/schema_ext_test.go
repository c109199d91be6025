package workload_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// published is the schema as an editor would load it.
func published(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(workload.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(workload.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func accepts(t *testing.T, schema *jsonschema.Schema, text []byte) bool {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return schema.Validate(doc) == nil
}

// TestSchemaAgreesWithTheDecoder: an editor with the schema and the decoder say
// the same of descriptions, as far as a schema can say it.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	schema := published(t)
	for _, text := range []string{
		"{}", "consistency: {strong: yes, spans_keys: true, own_data: unknown, global_agreement: }", "quorum: {n: 3, w: unknown}",
		"operations: []", "operations:", "operations: [{rate: 200/s, size: 1.5 kB, share: 0 %}]", "architecture: {stores: [{engine: mysql}]}",
		"objectives: {p99: 2s, rpo: 0 s}", "consistency: {strong: maybe}", "consistency: {stronk: yes}", "zz: 1", "quorum: {n: 0}", "quorum: {n: 2.5}",
		"quorum: {n: 1001}", "operations: {rate: 2/s}", "operations: [{rate: 200}]", "operations: [{rate: 200 ms}]", "operations: [{share: 0.8}]",
		"architecture: {stores: [{engine: postgres}]}", "objectives: {p99: 500}", "objectives: {p99: -5 ms}", "consistency: [1]", "about: {name: [a]}",
	} {
		_, err := workload.Decode([]byte(text))
		if got := accepts(t, schema, []byte(text)); got != (err == nil) {
			t.Errorf("%s: the schema accepts it: %t; the decoder: %v", text, got, err)
		}
	}
}

// TestSchemaAcceptsEverythingThatCanBeSaid: the worked workloads, the
// example, and the example with all of its marks taken out.
func TestSchemaAcceptsEverythingThatCanBeSaid(t *testing.T) {
	schema := published(t)
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "workloads", "*.yaml"))
	if err != nil || len(files) < 14 {
		t.Fatalf("%d workloads: %v", len(files), err)
	}
	said := regexp.MustCompile(`(?m)^( *)#(- |  |)([a-z0-9_]+: .*)$`).ReplaceAll(workload.Example(), []byte("$1$2$3"))
	all := map[string][]byte{"example": workload.Example(), "example, said": said}
	for _, f := range files {
		if all[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range all {
		if !accepts(t, schema, text) {
			t.Errorf("the schema refuses %s", name)
		}
	}
}
