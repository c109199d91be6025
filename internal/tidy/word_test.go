package tidy

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// wordsHere is the one file that may hold the words it looks for. Sums and
// the licence were written by others.
const wordsHere = "internal/tidy/word_test.go"

var notOurWords = map[string]bool{"go.sum": true, "go.work.sum": true, "LICENSE": true}

var noteWords = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

// notes refuses notes to a later self, in every text file: now, or an issue.
func notes(t *tree) []violation {
	return findWords(t, noteWords, "is a note to later", "do it now, or open an issue and say here what holds today")
}

// workplaceWords betray where or by whom a line was written. The project speaks of itself
// alone: a path, a registry or a conversation of one machine helps no reader.
var workplaceWords = regexp.MustCompile(`(^|[^\w./-])/(work|root|tmp|home/\w+)(/|\b)` +
	`|\b(proxy|sum)\.golang\.org|\bregistry\.npmjs\.org|\b(deb|security)\.debian\.org|\bpypi\.org|\bstatic\.crates\.io` +
	`|(?i:\b(claude|anthropic|chatgpt|openai|copilot|sub-?agent|language model|co-authored-by)\b)` +
	`|(?i:\b(the|this|my|your|our) (brief|workplace|prompt)\b)` +
	`|(?i:\b(coding|work|helper|developer|earlier|previous|later|this working) sessions?\b)` +
	`|\bshared/[A-Z]+\.md\b|\bissues show\b`)

// workplace refuses them in every text file.
func workplace(t *tree) []violation {
	return findWords(t, workplaceWords, "speaks of a workplace",
		"say what is true on every machine: a path below the repository, t.TempDir(), mktemp")
}

func findWords(t *tree, words *regexp.Regexp, what, do string) (bad []violation) {
	for _, f := range t.files {
		if f.path == wordsHere || notOurWords[path.Base(f.path)] {
			continue
		}
		for i, l := range f.lines() {
			if m := words.FindString(l); m != "" {
				bad = append(bad, violation{path: f.path, line: i + 1, what: `"` + strings.Trim(m, " \"'(=:") + `" ` + what, do: do})
			}
		}
	}
	return bad
}

func TestNoteGoesRed(t *testing.T) {
	red(t, notes, plant{
		"Makefile": "all:\n\t# FIXME: all of it\n",
		"a.go":     "package a\n\n// TODO(me): everything\n",
		"b.md":     "A table of TODOs is no note; XXXL neither.\n",
		"go.sum":   "XXX\n",
	}, `Makefile:2: "FIXME" is a note`, `a.go:3: "TODO" is a note`)
}

func TestWorkplaceGoesRed(t *testing.T) {
	red(t, workplace, plant{
		"a.go":    "package a\n\nconst dir = \"/work/main\"\n",
		"b.md":    "Put it in /tmp/x.\n",
		"c.sh":    "GOPROXY=https://proxy.golang.org\n",
		"d.md":    "As the brief says.\n",
		"e.md":    "Found in an earlier session.\n",
		"f.md":    "See ../shared/DESIGN.md.\n",
		"fine.go": "package a\n\n// A Session carries a token. A session number counts; the work/main path, homework/ and ./tmp/ are fine.\n",
		"fine.md": "In brief: a/work/b, https://example.com/tmp/x.\n",
	},
		`a.go:3: "/work/"`, `b.md:1: "/tmp/"`, `c.sh:1: "proxy.golang.org"`, `d.md:1: "the brief"`,
		`e.md:1: "earlier session"`, `f.md:1: "shared/DESIGN.md"`)
}
