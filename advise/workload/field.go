package workload

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Kind says what values a field has. All kinds have unknown as well.
type Kind string

// The kinds of fields.
const (
	YesNo    Kind = "yes_no"   // yes, no
	Choice   Kind = "choice"   // one of the options
	Duration Kind = "duration" // 150 ms, 2 s, 5 m, 24 h, 30 d, 7 y
	Rate     Kind = "rate"     // 200/s, 5000/m, 10/h, 3/d
	Size     Kind = "size"     // 400 B, 20 kB, 3 GiB, 2 TB
	Percent  Kind = "percent"  // 0 % to 100 %
	Number   Kind = "number"   // a whole number
	Text     Kind = "text"     // one line
)

// Field is one thing that can be said about a workload.
type Field struct {
	Path    string   `json:"path"` // section and name: load.access, operations[].rate
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Ask     string   `json:"ask"`               // the question
	Why     string   `json:"why"`               // what the answer decides
	Unknown string   `json:"unknown"`           // what not knowing costs
	Sources []string `json:"sources,omitempty"` // lines of the guides, as 000:6; none for fields beyond them
	Options []Option `json:"options,omitempty"` // of a Choice
	Example string   `json:"example"`
	Min     string   `json:"min,omitempty"` // of a Number, both limits included
	Max     string   `json:"max,omitempty"` // of a Number or a Duration
	If      *Answer  `json:"if,omitempty"`  // worth asking only then; nil is always

	min, max float64
}

// Option is one value of a Choice.
type Option struct {
	Name  string `json:"name"  yaml:"name"`
	Means string `json:"means" yaml:"means"`
}

// Answer is a field with a value.
type Answer struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// Section is a group of fields, or the fields of each element of a list.
type Section struct {
	Path   string  `json:"path"` // a list ends in []: operations[]
	Title  string  `json:"title"`
	List   bool    `json:"list"`
	Fields []Field `json:"fields"`

	One     string `json:"one,omitempty"`     // of a list: what an element is called in a question
	Before  string `json:"before,omitempty"`  // a question whose no leaves out all paths that begin with Path
	Why     string `json:"why,omitempty"`     // what One or Before decides
	Unknown string `json:"unknown,omitempty"` // what not knowing it costs
}

//go:embed fields.yaml
var tableYAML []byte

// rawSection is a section as fields.yaml has it.
type rawSection struct {
	Section string     `yaml:"section"`
	Title   string     `yaml:"title"`
	List    bool       `yaml:"list"`
	One     string     `yaml:"one"`
	Before  string     `yaml:"before"`
	Why     string     `yaml:"why"`
	Unknown string     `yaml:"unknown"`
	Fields  []rawField `yaml:"fields"`
}

type rawField struct {
	Name    string            `yaml:"name"`
	Kind    Kind              `yaml:"kind"`
	Ask     string            `yaml:"ask"`
	Why     string            `yaml:"why"`
	Unknown string            `yaml:"unknown"`
	Source  []string          `yaml:"source"`
	Options []Option          `yaml:"options"`
	Example string            `yaml:"example"`
	Min     string            `yaml:"min"`
	Max     string            `yaml:"max"`
	If      map[string]string `yaml:"if"`
}

type fieldTable struct {
	sections []Section
	byPath   map[string]Field
	lists    map[string]bool // path of a list, without []
	parents  map[string]bool // paths of maps that hold sections: architecture
}

var table = sync.OnceValue(func() *fieldTable {
	t, err := readTable(tableYAML)
	if err != nil {
		panic("workload: fields.yaml: " + err.Error()) //tidy:panic the embedded table is what TestTable reads
	}
	return t
})

func readTable(data []byte) (*fieldTable, error) {
	var raw []rawSection
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&raw); err != nil {
		return nil, err
	}
	t := &fieldTable{byPath: map[string]Field{}, lists: map[string]bool{}, parents: map[string]bool{}}
	for _, rs := range raw {
		s := Section{Path: rs.Section, Title: rs.Title, List: rs.List, One: rs.One, Before: rs.Before, Why: rs.Why, Unknown: rs.Unknown}
		if s.List {
			t.lists[rs.Section] = true
			s.Path += "[]"
		}
		for at := strings.IndexByte(s.Path, '.'); at > 0; at = -1 {
			t.parents[s.Path[:at]] = true
		}
		for _, rf := range rs.Fields {
			f, err := readField(s, rf)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", rs.Section, rf.Name, err)
			}
			s.Fields = append(s.Fields, f)
			t.byPath[f.Path] = f
		}
		t.sections = append(t.sections, s)
	}
	return t, nil
}

func readField(s Section, rf rawField) (Field, error) {
	f := Field{
		Path: s.Path + "." + rf.Name, Name: rf.Name, Kind: rf.Kind, Ask: rf.Ask, Why: rf.Why, Unknown: rf.Unknown,
		Sources: rf.Source, Options: rf.Options, Example: rf.Example, Min: rf.Min, Max: rf.Max,
	}
	for path, value := range rf.If { // one entry; more would need a language
		f.If = &Answer{Path: path, Value: value}
	}
	for _, limit := range []struct {
		text string
		to   *float64
	}{{rf.Min, &f.min}, {rf.Max, &f.max}} {
		if limit.text == "" {
			continue
		}
		v, err := parseAmount(f.Kind, limit.text)
		if err != nil {
			return f, err
		}
		*limit.to = v
	}
	return f, nil
}

// Sections are all sections of the table in the order of the description.
func Sections() []Section { return slices.Clone(table().sections) }

// Lookup finds a field by its path. An index may stand between the brackets of a
// list: operations[0].rate is operations[].rate.
func Lookup(path string) (Field, bool) {
	f, ok := table().byPath[Generic(path)]
	return f, ok
}

// Generic is a path with the indexes of its lists taken out.
func Generic(path string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(path, "[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, path, _ = strings.Cut(rest, "]")
		b.WriteString("[]")
	}
}

// option finds an option of a Choice.
func (f Field) option(name string) bool {
	return slices.ContainsFunc(f.Options, func(o Option) bool { return o.Name == name })
}

// names are the options' names.
func (f Field) names() []string {
	var names []string
	for _, o := range f.Options {
		names = append(names, o.Name)
	}
	return names
}
