package workload

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML writes a description that Decode reads back to the same values: what was
// said, also where it was unknown, in the order of the table. Lists without
// elements are written as [].
func (w *Workload) YAML() []byte {
	var b bytes.Buffer
	parent := ""
	for _, s := range table().sections {
		lines := w.section(s)
		if len(lines) == 0 {
			continue
		}
		name, indent := strings.TrimSuffix(s.Path, "[]"), ""
		if top, rest, nested := strings.Cut(name, "."); nested {
			if parent != top {
				b.WriteString(top + ":\n")
			}
			parent, name, indent = top, rest, "  "
		} else if !table().parents[name] {
			parent = ""
		} else {
			parent = name
		}
		if slices.Equal(lines, []string{"[]"}) {
			fmt.Fprintf(&b, "%s%s: []\n", indent, name)
			continue
		}
		fmt.Fprintf(&b, "%s%s:\n", indent, name)
		for _, l := range lines {
			fmt.Fprintf(&b, "%s  %s\n", indent, l)
		}
	}
	return b.Bytes()
}

// section is the body of a section, a field a line; nothing if nothing was said.
func (w *Workload) section(s Section) (lines []string) {
	list := strings.TrimSuffix(s.Path, "[]")
	if n, known := w.Count(list); s.List && known && n == 0 {
		return []string{"[]"}
	}
	for _, prefix := range w.prefixes(s) {
		first := len(lines)
		for _, f := range s.Fields {
			switch v, said := w.values[prefix+"."+f.Name]; {
			case v.Known:
				lines = append(lines, "  "+f.Name+": "+scalar(f.Kind, v.Text))
			case said:
				lines = append(lines, "  "+f.Name+": "+Unknown)
			}
		}
		switch {
		case !s.List:
			for i := first; i < len(lines); i++ {
				lines[i] = lines[i][2:]
			}
		case first == len(lines):
			lines = append(lines, "- {}")
		default:
			lines[first] = "-" + lines[first][1:]
		}
	}
	return lines
}

// scalar writes one value; only text may need quotes.
func scalar(kind Kind, text string) string {
	if kind != Text {
		return text
	}
	n := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if text == Unknown {
		n.Style = yaml.DoubleQuotedStyle
	}
	out, err := yaml.Marshal(&n)
	if line := strings.TrimSuffix(string(out), "\n"); err == nil && !strings.Contains(line, "\n") {
		return line
	}
	return fmt.Sprintf("%q", text) // a long text that the encoder would fold: JSON's quotes are YAML's
}

const exampleHead = `# A description of a workload. Everything may be left out or unknown; what that costs is said in the answer.
# Durations: 150 ms, 2 s, 5 m, 24 h, 30 d, 7 y. Rates: 200/s, 5000/m, 10/h. Sizes: 400 B, 20 kB, 3 GiB. Shares: 80 %.
# The values below are examples: take out the mark in front of a line to say it.
`

// Example is a commented description with every field, each with its question,
// what it decides, what not knowing costs, and a value as an example. As it
// stands it says nothing.
func Example() []byte {
	var b bytes.Buffer
	b.WriteString(exampleHead)
	parent := ""
	for _, s := range table().sections {
		name, indent := strings.TrimSuffix(s.Path, "[]"), ""
		fmt.Fprintf(&b, "\n# == %s\n", s.Title)
		if top, rest, nested := strings.Cut(name, "."); nested {
			if parent != top {
				fmt.Fprintf(&b, "%s:\n", top)
			}
			parent, name, indent = top, rest, "  "
		} else {
			parent = name
		}
		fmt.Fprintf(&b, "%s%s:\n", indent, name)
		for i, f := range s.Fields {
			if i > 0 {
				b.WriteByte('\n')
			}
			exampleField(&b, f, indent, s.List && i == 0, s.List)
		}
	}
	return b.Bytes()
}

func exampleField(b *bytes.Buffer, f Field, indent string, dash, list bool) {
	fmt.Fprintf(b, "%s  # %s\n%s  # %s Unknown: %s\n", indent, f.Ask, indent, f.Why, f.Unknown)
	if f.If != nil {
		fmt.Fprintf(b, "%s  # Only if %s is %s.\n", indent, f.If.Path, f.If.Value)
	}
	for _, o := range f.Options {
		fmt.Fprintf(b, "%s  #   %-26s %s\n", indent, o.Name, o.Means)
	}
	mark := "  "
	if dash {
		mark = "- "
	} else if !list {
		mark = ""
	}
	fmt.Fprintf(b, "%s  #%s%s: %s\n", indent, mark, f.Name, scalar(f.Kind, f.Example))
}
