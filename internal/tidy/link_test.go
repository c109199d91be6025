package tidy

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	inlineLink    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?[^)]*\)`)
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]^]+\]:\s+<?([^\s>]+)>?`)
	codeSpan      = regexp.MustCompile("`[^`]*`")
	linkText      = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// links refuses links of our pages to files or headings that do not exist.
// Links to other hosts are not followed: a test that needs a network fails for
// reasons of its own.
func links(t *tree) (bad []violation) {
	headings := map[string]map[string]bool{}
	for _, f := range t.files {
		if path.Ext(f.path) == ".md" {
			headings[f.path] = anchors(f)
		}
	}
	for _, f := range t.files {
		if path.Ext(f.path) != ".md" {
			continue
		}
		for i, l := range prose(f) {
			for _, target := range targets(l) {
				if what := dead(t, headings, f, target); what != "" {
					bad = append(bad, violation{path: f.path, line: i + 1, what: what, do: "correct the link, or write what it names"})
				}
			}
		}
	}
	return bad
}

// prose is a page line by line, fenced code blanked.
func prose(f *file) []string {
	lines, fenced := f.lines(), false
	for i, l := range lines {
		mark := strings.HasPrefix(strings.TrimSpace(l), "```")
		if mark || fenced {
			lines[i] = ""
		}
		fenced = fenced != mark
	}
	return lines
}

func targets(line string) (found []string) {
	line = codeSpan.ReplaceAllString(line, "")
	for _, m := range inlineLink.FindAllStringSubmatch(line, -1) {
		found = append(found, m[1])
	}
	if m := referenceLink.FindStringSubmatch(line); m != nil {
		found = append(found, m[1])
	}
	return found
}

// dead says what is wrong with a link, if anything is.
func dead(t *tree, headings map[string]map[string]bool, f *file, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "the link " + target + " is no URL"
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	to := f.path
	if u.Path != "" {
		to = path.Join(f.dir(), u.Path)
	}
	if path.IsAbs(u.Path) || !t.paths[to] {
		return "the link " + target + " leads nowhere"
	}
	if u.Fragment != "" && headings[to] != nil && !headings[to][u.Fragment] {
		return "the link " + target + " names no heading of " + to
	}
	return ""
}

// anchors are the headings of a page as repository hosts name them: lower
// case, punctuation gone, spaces as hyphens. (A repeated heading counts once.)
func anchors(f *file) map[string]bool {
	found := map[string]bool{}
	for _, l := range prose(f) {
		title := strings.TrimLeft(l, "#")
		if title == l || !strings.HasPrefix(title, " ") {
			continue
		}
		title = linkText.ReplaceAllString(strings.TrimSpace(title), "$1")
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, title)
		found[slug] = true
	}
	return found
}

func TestLinkGoesRed(t *testing.T) {
	red(t, links, plant{
		"README.md": "# One\n[a](docs/a.md) [b](docs/b.md) [c](https://example.com/x)\n" +
			"[d](docs/a.md#the-life-of-a-write-l4) [e](docs/a.md#gone) [f](#one) [g](#two)\n" +
			"```\n[h](nowhere.md)\n```\n`[i](nowhere.md)` [j](docs) [k](/docs/a.md)\n\n[l]: docs/c.md\n",
		"docs/a.md": "## The life of a *write* (L4)\n[up](../README.md) [out](../../x.md)\n",
	},
		"README.md:2: the link docs/b.md leads nowhere",
		"README.md:3: the link docs/a.md#gone names no heading",
		"README.md:3: the link #two names no heading",
		"README.md:7: the link /docs/a.md leads nowhere",
		"README.md:9: the link docs/c.md leads nowhere",
		"docs/a.md:2: the link ../../x.md leads nowhere")
}
