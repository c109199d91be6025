package anomaly_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mainstemdb/mainstem/advise/anomaly"
)

// valid asks a validator whether all data conforms to a schema.
func valid(t *testing.T, schema map[string]any, data []any) bool {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", plainJSON(t, schema)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatal(err)
	}
	return !slices.ContainsFunc(data, func(v any) bool { return s.Validate(plainJSON(t, v)) != nil })
}

// plainJSON is a value with the types that JSON has.
func plainJSON(t *testing.T, v any) (out any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestJSONSchemaChanges: a validator agrees with what is said of each change.
func TestJSONSchemaChanges(t *testing.T) {
	all, err := anomaly.Changes("json_schema")
	if err != nil || len(all) < 10 {
		t.Fatalf("%d changes, %v", len(all), err)
	}
	yes := map[bool]anomaly.Answer{true: anomaly.Yes, false: anomaly.No}
	for _, c := range all {
		if len(c.OldData) == 0 || len(c.NewData) == 0 || !valid(t, c.Old, c.OldData) || !valid(t, c.New, c.NewData) {
			t.Errorf("%s: its data does not fit its own schemas", c.Name)
		}
		if got := yes[valid(t, c.New, c.OldData)]; got != c.Backward {
			t.Errorf("%s: backward is said to be %s, the validator says %s", c.Name, c.Backward, got)
		}
		if got := yes[valid(t, c.Old, c.NewData)]; got != c.Forward {
			t.Errorf("%s: forward is said to be %s, the validator says %s", c.Name, c.Forward, got)
		}
	}
}

func TestChangesAreWhole(t *testing.T) {
	for _, format := range []string{"json_schema", "protobuf", "avro"} {
		all, err := anomaly.Changes(format)
		if err != nil || len(all) < 8 {
			t.Fatalf("%s: %d changes, %v", format, len(all), err)
		}
		for _, c := range all {
			for _, a := range []anomaly.Answer{c.Backward, c.Forward} {
				if a != anomaly.Yes && a != anomaly.No && (a != anomaly.Partly || c.Note == "") {
					t.Errorf("%s %s: %q without a note", format, c.Name, a)
				}
			}
			if c.Source == "" || c.Title == "" || c.Order() == "" {
				t.Errorf("%s %s is not explained", format, c.Name)
			}
		}
	}
	var unknown *anomaly.UnknownError
	if _, err := anomaly.Changes("xml"); !errors.As(err, &unknown) || len(unknown.Known) != 3 {
		t.Errorf("%v", err)
	}
	c, err := anomaly.LookupChange("Avro", "int to long")
	if err != nil || c.Compatibility() != "backward" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := anomaly.LookupChange("avro", "nothing"); !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

func ExampleWeakest() {
	choice, err := anomaly.Weakest("postgresql", []string{"lost_update", "write_skew"})
	fmt.Println(choice.Level, choice.Sure, err)
	_, err = anomaly.Weakest("oracle", []string{"write_skew"})
	fmt.Println(err)
	// Output:
	// serializable tested <nil>
	// anomaly: no level of Oracle Database prevents write_skew; take READ COMMITTED, and against write_skew: SELECT ... FOR UPDATE on the rows that the decision rests on, or one row that all such decisions write
}
