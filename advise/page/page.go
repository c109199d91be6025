// Package page shows an answer: as Markdown, and as one HTML page that needs
// nothing else, in light and dark, on a phone and on paper. Both say the same, in
// the same order: what is assumed comes first.
package page

import (
	"embed"
	"html/template"
	"strings"
	text "text/template"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/flow"
	"github.com/mainstemdb/mainstem/advise/rules"
)

//go:embed answer.md answer.html
var files embed.FS

var functions = map[string]any{
	"join":   func(list []string) string { return strings.Join(list, ", ") },
	"lines":  source,
	"cell":   cell,
	"code":   code,
	"codes":  codes,
	"fenced": fenced,
	"fact":   fact,
	"pairs":  pairs,
	"number": func(i int) int { return i + 1 },
	"chart":  tradeOffs,
	"flow":   flow.Of,
	"costs":  func() []rules.CostKind { return rules.CostKinds },
	// What draws escapes what a user wrote; TestNothingIsInjected holds it to that.
	"drawn": func(svg string) template.HTML { return template.HTML(svg) }, //nolint:gosec // as said above
}

var (
	markdown = text.Must(text.New("answer.md").Funcs(functions).ParseFS(files, "answer.md"))
	html     = template.Must(template.New("answer.html").Funcs(functions).ParseFS(files, "answer.html"))
)

// Markdown is the answer in CommonMark with tables.
func Markdown(a *advise.Answer) (string, error) {
	var b strings.Builder
	err := markdown.Execute(&b, a)
	return strings.TrimRight(b.String(), "\n") + "\n", err
}

// HTML is the answer as one page.
func HTML(a *advise.Answer) (string, error) {
	var b strings.Builder
	err := html.Execute(&b, a)
	return b.String(), err
}

// source names the lines of the guides that a rule comes from.
func source(list []string) string {
	if len(list) == 0 {
		return "ours"
	}
	return "guide " + strings.Join(list, ", ")
}

// cell is text in a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}

// code is text in a code span, whatever backticks it has.
func code(s string) string {
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

// codes are several code spans.
func codes(list []string) string {
	var spans []string
	for _, one := range list {
		spans = append(spans, code(one))
	}
	return strings.Join(spans, ", ")
}

// pair is a cost with its kind.
type pair struct{ Says, Kind string }

// pairs sets each cost beside its kind.
func pairs(d advise.Decision) (all []pair) {
	for i, cost := range d.Costs {
		all = append(all, pair{cost, d.Pays[i]})
	}
	return all
}

// fenced is text as it stands, in a fence that it does not contain.
func fenced(language, s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimRight(s, "\n") + "\n" + fence
}

// fact is one comparison in words.
func fact(f rules.Fact) string {
	said := f.Path + " is " + f.Value + " (" + f.Wants + ")"
	if f.Says != "" {
		said = f.Says + ": " + said
	}
	return said
}
