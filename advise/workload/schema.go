package workload

import (
	"encoding/json"
	"strings"
)

// SchemaID names the published schema.
const SchemaID = "https://mainstemdb.github.io/mainstem/advise/workload.schema.json"

// node is one JSON Schema, as much of it as a description needs. The order of
// its fields is the order in the published file.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	ID          string           `json:"$id,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"`
	Enum        []any            `json:"enum,omitempty"`
	AnyOf       []*node          `json:"anyOf,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Minimum     *float64         `json:"minimum,omitempty"`
	Maximum     *float64         `json:"maximum,omitempty"`
	MaxLength   int              `json:"maxLength,omitempty"`
	MaxItems    int              `json:"maxItems,omitempty"`
	Items       *node            `json:"items,omitempty"`
	Properties  map[string]*node `json:"properties,omitempty"`
	Additional  *bool            `json:"additionalProperties,omitempty"`
	Examples    []string         `json:"examples,omitempty"`
}

// Schema is the JSON Schema (draft 2020-12) of a description, made from the
// table. It is published as schema.json. What it cannot say, Decode still
// checks: limits of durations, and figures that contradict each other.
func Schema() []byte {
	root := object("A workload", "What a system has to do, for mainstem advise.")
	root.Schema, root.ID = "https://json-schema.org/draft/2020-12/schema", SchemaID
	for _, s := range table().sections {
		name := strings.TrimSuffix(s.Path, "[]")
		place := root
		if top, rest, nested := strings.Cut(name, "."); nested {
			place, name = root.Properties[top], rest
		}
		fields := object(s.Title, "")
		for _, f := range s.Fields {
			fields.Properties[f.Name] = f.schema()
		}
		if s.List {
			list := &node{Title: s.Title, Type: []string{"array", "null"}, MaxItems: LimitElements, Items: fields}
			fields.Title = ""
			place.Properties[name] = list
			continue
		}
		place.Properties[name] = fields
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("workload: schema: " + err.Error()) //tidy:panic a tree of plain values always has JSON
	}
	return append(out, '\n')
}

func object(title, description string) *node {
	return &node{
		Title: title, Description: description, Type: []string{"object", "null"},
		Properties: map[string]*node{}, Additional: new(bool),
	}
}

func (f Field) schema() *node {
	n := &node{Title: f.Ask, Description: f.Why + " Unknown: " + f.Unknown, Examples: []string{f.Example}}
	switch f.Kind {
	case YesNo:
		n.Enum = []any{"yes", "no", Unknown, true, false, nil}
	case Choice:
		for _, o := range f.Options {
			n.Enum = append(n.Enum, o.Name)
		}
		n.Enum = append(n.Enum, Unknown, nil)
	case Text:
		n.Type, n.MaxLength = []string{"string", "null"}, LimitText
	case Number:
		n.AnyOf = []*node{{Type: "integer", Minimum: &f.min, Maximum: &f.max}, {Enum: []any{Unknown, nil}}}
	case Duration, Rate, Size, Percent:
		var units []string
		for _, u := range measures[f.Kind].units {
			units = append(units, u.name)
		}
		n.AnyOf = []*node{
			{Type: "string", Pattern: `^[0-9]+(\.[0-9]+)? *(` + strings.Join(units, "|") + `)$`},
			{Enum: []any{Unknown, nil}},
		}
	}
	return n
}
