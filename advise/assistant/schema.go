package assistant

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/numbers"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// schema is a JSON Schema.
type schema map[string]any

// object is a schema of an object that has these properties and no others.
func object(properties schema, required ...string) schema {
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func text(about string, most int) schema {
	return schema{"type": "string", "description": about, "maxLength": most}
}

// wholeWorkload is the published schema of a description with its questions, but
// without reasons and examples, which ask tells: an assistant pays for each
// word of it in every conversation.
func wholeWorkload() schema {
	var s schema
	if err := json.Unmarshal(workload.Schema(), &s); err != nil {
		panic("assistant: the schema of descriptions: " + err.Error()) //tidy:panic made from a table that is embedded
	}
	short, _ := shortened(map[string]any(s)).(map[string]any)
	delete(short, "$schema")
	delete(short, "$id")
	return short
}

func shortened(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, words := range []string{"description", "examples"} {
			if _, isSchema := v[words].(map[string]any); !isSchema { // a field can have such a name
				delete(v, words)
			}
		}
		for key, one := range v {
			v[key] = shortened(one)
		}
		return v
	case []any:
		for i := range v {
			v[i] = shortened(v[i])
		}
	}
	return v
}

// described are the two ways to give a description.
func described(whole bool) schema {
	about := schema{"type": "object", "description": "The description of a workload, as the tool advise takes it."}
	if whole {
		about = wholeWorkload()
	}
	return schema{
		"workload": about,
		"yaml":     text("The same as the text of a YAML file, in place of workload: mistakes are then told with line and column.", workload.LimitDocument),
	}
}

// with adds properties.
func (s schema) with(more schema) schema {
	for key, one := range more {
		s[key] = one
	}
	return s
}

func calculatorNames() (names []string) {
	for _, c := range numbers.All() {
		names = append(names, c.Name)
	}
	return names
}

func ruleKinds() (kinds []string) {
	for _, r := range rules.All() {
		if !slices.Contains(kinds, string(r.Kind)) {
			kinds = append(kinds, string(r.Kind))
		}
	}
	return kinds
}

// shapeOf is the schema of a result, as far as its first level: what is in it,
// and of what type.
func shapeOf(v any) schema {
	t := reflect.TypeOf(v)
	properties, required := schema{}, []string{}
	addShape(t, properties, &required)
	return schema{"type": "object", "properties": properties, "required": required}
}

func addShape(t reflect.Type, properties schema, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			addShape(f.Type, properties, required)
			continue
		case name == "" || name == "-":
			continue
		}
		properties[name] = shapeOfType(f.Type)
		if options != "omitempty" {
			*required = append(*required, name)
		}
	}
}

func shapeOfType(t reflect.Type) schema {
	switch t.Kind() {
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int:
		return schema{"type": "integer"}
	case reflect.Slice:
		return schema{"type": []string{"array", "null"}}
	default:
		return schema{"type": []string{"object", "null"}}
	}
}
