package workload

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write schema.json anew")

func TestSchemaIsFresh(t *testing.T) {
	if *update {
		if err := os.WriteFile("schema.json", Schema(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, Schema()) {
		t.Error("schema.json is not what the table says; run go test ./workload -run Schema -update")
	}
}

// TestSchemaNamesEveryField walks the published file, not the code.
func TestSchemaNamesEveryField(t *testing.T) {
	var root struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	for _, s := range Sections() {
		for _, f := range s.Fields {
			if !bytes.Contains(Schema(), []byte(`"title": `+quoted(t, f.Ask))) {
				t.Errorf("%s is not in the schema", f.Path)
			}
		}
	}
	if len(root.Properties) < 15 {
		t.Errorf("%d sections: this does not see the schema", len(root.Properties))
	}
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	q, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(q)
}
