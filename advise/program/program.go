// Package program writes a Go program for what an answer recommends: the proposed
// groups, keys, streams and leases as code, and a scene for each promise that breaks
// it if it can. It uses only what Mainstem has; what an answer recommends and nothing
// here implements is named when the program ends.
package program

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/mainstemdb/mainstem/advise"
)

//go:embed templates/*.tmpl
var files embed.FS

var templates = template.Must(template.ParseFS(files, "templates/*.tmpl"))

// File is one file of a program.
type File struct {
	Name string // with slashes, relative to the program's directory
	Text []byte
}

// ErrNothing is an answer of which nothing can be shown: it turns away, or too little
// is known to propose anything.
var ErrNothing = errors.New("program: the answer recommends nothing that a program could show: it turns away, or too little is known; see what it calls open")

// Files are a program that shows what an answer recommends: go.mod, main.go, and a
// package with the model and the scenes. The same answer gives the same files. The
// version is that of Mainstem in go.mod.
func Files(a *advise.Answer, version string) ([]File, error) {
	s, err := newSource(a)
	if err != nil {
		return nil, err
	}
	main, err := s.file("main", "main", "Command "+s.Package+" shows, once and in the open, what was recommended for it.")
	if err != nil {
		return nil, err
	}
	parts, err := s.parts()
	if err != nil {
		return nil, err
	}
	module := "module example.com/" + s.Package + "\n\ngo 1.26.0\n\nrequire github.com/mainstemdb/mainstem " + version + "\n"
	if s.Door == "pg" {
		module = strings.Replace(module, "require ", "require (\n\tgithub.com/jackc/pgx/v5 v5.12.0\n\t", 1) + ")\n"
	}
	return append([]File{{"go.mod", []byte(module)}, {"main.go", main}}, parts...), nil
}

// Package are the files of the package alone, without the command around it.
func Package(a *advise.Answer) ([]File, error) {
	s, err := newSource(a)
	if err != nil {
		return nil, err
	}
	return s.parts()
}

func (s *source) parts() (parts []File, err error) {
	for _, part := range []struct{ template, name, about string }{
		{s.Door, s.Package, "Package " + s.Package + " is the data model that was proposed, as code that runs. Names of groups, keys\n// and events are as proposed; what is decided in the functions is an example, and yours to write."},
		{s.Door + "_show", "show", ""},
		{s.Door + "_follow", "follow", ""},
	} {
		text, err := s.file(part.template, s.Package, part.about)
		if err != nil {
			return nil, err
		}
		if text == nil {
			continue
		}
		parts = append(parts, File{s.Package + "/" + part.name + ".go", text})
	}
	return parts, nil
}

// file executes a template, or is nil if that leaves nothing; it puts the imports before it that its text needs, and formats it.
func (s *source) file(name, pkg, about string) ([]byte, error) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, s); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body.Bytes())) == 0 {
		return nil, nil // there is nothing to follow
	}
	var b strings.Builder
	if about != "" {
		b.WriteString("// " + about + "\n")
	}
	fmt.Fprintf(&b, "package %s\n\nimport (\n", pkg)
	group := 0
	for _, i := range s.imports(body.Bytes()) {
		if i.group > group && group > 0 {
			b.WriteByte('\n')
		}
		group = i.group
		fmt.Fprintf(&b, "\t%q\n", i.path)
	}
	b.WriteString(")\n")
	b.Write(body.Bytes())
	text, err := format.Source(last.ReplaceAll(blanks.ReplaceAll([]byte(b.String()), []byte("\n\n")), []byte("\n$1")))
	if err != nil {
		return nil, fmt.Errorf("program: %s: %w", name, err)
	}
	return text, nil
}

// Templates leave blank lines where they leave something out.
var (
	blanks = regexp.MustCompile(`\n(\s*\n)+`)
	last   = regexp.MustCompile(`\n\n(\t*})`)
)

type imported struct {
	group int // standard library, others, ours
	path  string
}

// imports are the packages that a text uses, by their names before a dot.
func (s *source) imports(text []byte) (used []imported) {
	all := []imported{
		{1, "context"},
		{1, "errors"},
		{1, "fmt"},
		{1, "io"},
		{1, "os"},
		{1, "slices"},
		{1, "time"},
		{2, "example.com/" + s.Package + "/" + s.Package},
		{3, "github.com/jackc/pgx/v5"},
		{3, "github.com/jackc/pgx/v5/pgconn"},
		{3, "github.com/jackc/pgx/v5/pgxpool"},
		{4, "github.com/mainstemdb/mainstem"},
		{4, "github.com/mainstemdb/mainstem/embedded"},
		{4, "github.com/mainstemdb/mainstem/lease"},
		{4, "github.com/mainstemdb/mainstem/pg"},
	}
	for _, i := range all {
		name := i.path[strings.LastIndexByte(i.path, '/')+1:]
		if name == "v5" {
			name = "pgx"
		}
		if regexp.MustCompile(`(^|[^\w."])` + name + `\.[A-Z]`).Match(text) {
			used = append(used, i)
		}
	}
	return slices.Clip(used)
}
