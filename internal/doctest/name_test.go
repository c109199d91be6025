package doctest

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fileName = regexp.MustCompile("`((?:[a-z]+/)*[a-z_]+\\.go)`")
	testName = regexp.MustCompile("`(Test[A-Za-z]+)`|\\b(Test[A-Z][A-Za-z]+)\\|(Test[A-Z][A-Za-z]+)")
	testDecl = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
	rule     = regexp.MustCompile(`RELIABILITY (1\.[0-9]+)`)
)

// TestNamesExist: every file and every test that a page names in code marks is
// there, and every rule that the code cites stands in the reference.
func TestNamesExist(t *testing.T) {
	files, tests, rules := sources(t)
	for name, text := range pages(t) {
		for _, problem := range unknownNames(name, text, files, tests) {
			t.Error(problem)
		}
	}
	if len(rules) < 8 {
		t.Errorf("%d rules are cited: this test cannot see them any more", len(rules))
	}
	reference := page(t, "docs/reference/directory-format.md")
	for number, where := range rules {
		if !strings.Contains(reference, "\n| "+number+" | ") {
			t.Errorf("%s cites rule %s, which docs/reference/directory-format.md does not have", where, number)
		}
	}
}

// sources are the Go files of the repository, the tests in them, and the rules
// of the log that they cite.
func sources(t *testing.T) (files, tests map[string]bool, rules map[string]string) {
	t.Helper()
	files, tests, rules = map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, name := range goFiles(t) {
		data, err := os.ReadFile(root + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = true
		for _, m := range testDecl.FindAllStringSubmatch(string(data), -1) {
			tests[m[1]] = true
		}
		for _, m := range rule.FindAllStringSubmatch(string(data), -1) {
			rules[m[1]] = name
		}
	}
	return files, tests, rules
}

func unknownNames(name, text string, files, tests map[string]bool) (problems []string) {
	for _, m := range fileName.FindAllStringSubmatch(text, -1) {
		if !files[m[1]] && !files[path.Join(path.Dir(name), m[1])] {
			problems = append(problems, fmt.Sprintf("%s names the file %s, which is not there", name, m[1]))
		}
	}
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		for _, test := range m[1:] {
			if test != "" && !tests[test] {
				problems = append(problems, fmt.Sprintf("%s names the test %s, which is not there", name, test))
			}
		}
	}
	return problems
}

func TestNamesExistGoesRed(t *testing.T) {
	text := "See `node/loop.go`, `node/nowhere.go`, `TestHere` and `TestGone`.\n"
	problems := strings.Join(unknownNames("a.md", text, map[string]bool{"node/loop.go": true}, map[string]bool{"TestHere": true}), "\n")
	if want := "a.md names the file node/nowhere.go, which is not there\na.md names the test TestGone, which is not there"; problems != want {
		t.Errorf("got:\n%s\nwant:\n%s", problems, want)
	}
}

var lawCheck = regexp.MustCompile(`\{law: "(L[0-9]+)"[^}]*holds: ([a-zA-Z]+)`)

// TestLawsNameTheirChecks: the row of a law in ARCHITECTURE.md names a check
// that goes red when the law is broken.
func TestLawsNameTheirChecks(t *testing.T) {
	source, err := os.ReadFile(root + "/internal/laws/law_test.go")
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string][]string{}
	for _, m := range lawCheck.FindAllStringSubmatch(string(source), -1) {
		checks[m[1]] = append(checks[m[1]], m[2])
	}
	if len(checks) < 11 {
		t.Errorf("checks of %d laws: this test cannot see them any more", len(checks))
	}
	for law, names := range checks {
		row := regexp.MustCompile(`(?m)^\| ` + law + ` \|.*$`).FindString(page(t, "ARCHITECTURE.md"))
		for _, named := range regexp.MustCompile("`([a-z][a-zA-Z]+)`[,;]").FindAllStringSubmatch(row, -1) {
			if !slices.Contains(names, named[1]) {
				t.Errorf("the row of %s names %s, which is no check of it; there are %v", law, named[1], names)
			}
		}
		if !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(row, "`"+n+"`") }) {
			t.Errorf("the row of %s names none of its checks %v", law, names)
		}
	}
}
