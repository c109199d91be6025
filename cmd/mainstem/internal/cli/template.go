package cli

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// template makes GROUP/NAME out of a row: literal text with {column} in it;
// "{{" and "}}" are braces. The first "/" outside a column ends the group.
// What a column holds is taken as it is: a "/" in it separates nothing.
type template struct{ group, name []part }

// part is literal text, or a column.
type part struct {
	text   string
	column bool
}

// parseTemplate reads a template.
func parseTemplate(text string) (template, error) {
	var t template
	parts, literal, inName := &t.group, strings.Builder{}, false
	flush := func() {
		if literal.Len() > 0 {
			*parts = append(*parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "{{"), strings.HasPrefix(rest, "}}"):
			literal.WriteByte(rest[0])
			rest = rest[2:]
		case rest[0] == '}':
			return t, badTemplate(text, `has a "}" that closes nothing; a brace itself is written }}`)
		case rest[0] == '{':
			column, after, closed := strings.Cut(rest[1:], "}")
			if !closed || column == "" || strings.Contains(column, "{") {
				return t, badTemplate(text, `has a "{" without a column and "}"; a brace itself is written {{`)
			}
			flush()
			*parts = append(*parts, part{text: column, column: true})
			rest = after
		case rest[0] == '/' && !inName:
			flush()
			parts, inName = &t.name, true
			rest = rest[1:]
		default:
			literal.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	flush()
	if len(t.group) == 0 || len(t.name) == 0 {
		return t, badTemplate(text, "lacks a group or a name; write it like item-{sku}/price")
	}
	return t, unescape(text, t.group)
}

// unescape reads the group's literal parts as a path is read.
func unescape(text string, group []part) error {
	for i, p := range group {
		if p.column {
			continue
		}
		plain, err := mainstem.ParsePath(p.text + "/")
		if err != nil {
			return badTemplate(text, "has a wrong group: "+problemOf(err).Message)
		}
		group[i].text = plain.Group
	}
	return nil
}

func badTemplate(text, what string) error {
	return misused("see mainstem import --help", "key template %q %s", text, what)
}

// fill makes a path of a row's columns.
func (t template) fill(column func(string) (string, bool)) (mainstem.Path, error) {
	group, err := fill(t.group, column)
	if err != nil {
		return mainstem.Path{}, err
	}
	name, err := fill(t.name, column)
	if err != nil {
		return mainstem.Path{}, err
	}
	p := mainstem.Path{Group: group, Name: name}
	return p, p.Validate()
}

func fill(parts []part, column func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range parts {
		text := p.text
		if p.column {
			var ok bool
			if text, ok = column(p.text); !ok {
				return "", fmt.Errorf("has no column %q with a plain value", p.text)
			}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
