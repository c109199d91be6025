// Package doctest runs what the documentation says: every Go block is compiled
// and run, every console session is repeated in an empty directory, and every
// table of codes, limits, commands and tests is held against the code.
//
// A block of Go is a whole program if it has a package clause. Otherwise it is
// a fragment: declarations, or statements that may use ctx and db, a fresh
// database in memory for each page. What follows "// Output:" at its end is
// what it prints. A console block shows commands after "$ " and what they
// print; one page's blocks share a directory. "…" stands for what differs from
// run to run: within a line, or for any number of lines.
package doctest

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// block is one fenced block of a page.
type block struct {
	page string // slash-separated, from the root of the repository
	line int    // of the first line of its body
	lang string // the word behind the fence
	body string
}

// root is the root of the repository.
const root = "../.."

// readPages reads every page of the repository, once. It reads the Go files too and
// drops them: the test cache then knows that what these tests build from them
// has changed.
var readPages = sync.OnceValues(func() (map[string]string, error) {
	pages, _, err := readTree()
	return pages, err
})

// readTree returns the pages by name, and the names of the Go files.
func readTree() (pages map[string]string, sources []string, err error) {
	pages = map[string]string{}
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		ext := path.Ext(name)
		if ext != ".md" && ext != ".go" {
			return nil
		}
		data, err := os.ReadFile(root + "/" + name)
		if ext == ".md" {
			pages[name] = string(data)
		} else {
			sources = append(sources, name)
		}
		return err
	})
	return pages, sources, err
}

// goFiles are the names of the Go files of the repository.
func goFiles(t *testing.T) []string {
	t.Helper()
	_, names, err := readTree()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// pages are the pages of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all, err := readPages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// page is one of them, which must be there.
func page(t *testing.T, name string) string {
	t.Helper()
	text, ok := pages(t)[name]
	if !ok {
		t.Fatalf("there is no page %s", name)
	}
	return text
}

// blocksOf takes the fenced blocks out of a page, in order.
func blocksOf(page, text string) (all []block) {
	var open *block
	for i, line := range strings.Split(text, "\n") {
		lang, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{page: page, line: i + 2, lang: strings.TrimSpace(lang)}
		case fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.body += line + "\n"
		}
	}
	return all
}

// blocksIn are the blocks of one language, page by page.
func blocksIn(texts map[string]string, lang string) map[string][]block {
	found := map[string][]block{}
	for page, text := range texts {
		for _, b := range blocksOf(page, text) {
			if b.lang == lang {
				found[page] = append(found[page], b)
			}
		}
	}
	return found
}

// agrees reports whether an output is what a page shows of it.
func agrees(shown, got string) bool {
	return linesAgree(strings.Split(strings.TrimSpace(shown), "\n"), strings.Split(strings.TrimSpace(got), "\n"))
}

func linesAgree(shown, got []string) bool {
	switch {
	case len(shown) == 0:
		return len(got) == 0
	case strings.TrimSpace(shown[0]) == "…":
		return linesAgree(shown[1:], got) || len(got) > 0 && linesAgree(shown, got[1:])
	case len(got) == 0:
		return false
	}
	parts := strings.Split(strings.TrimRight(shown[0], " "), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	line := regexp.MustCompile("^" + strings.Join(parts, ".*") + " *$")
	return line.MatchString(got[0]) && linesAgree(shown[1:], got[1:])
}

func TestAgrees(t *testing.T) {
	for _, c := range []struct {
		shown, got string
		want       bool
	}{
		{"a\nb", "a\nb\n", true},
		{"a\nb", "a\nc", false},
		{"a … c\nd", "a b c\nd", true},
		{"a … c", "a b\n c", false},
		{"a\n…\nd", "a\nb\nc\nd", true},
		{"a\n…\nd", "a\nd", true},
		{"a\n…", "a\nb", true},
		{"…\nd", "a\nd", true},
		{"a.c", "abc", false},
		{"", "", true},
		{"", "a", false},
	} {
		if got := agrees(c.shown, c.got); got != c.want {
			t.Errorf("%q shown of %q: %t, want %t", c.shown, c.got, got, c.want)
		}
	}
}
