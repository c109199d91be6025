package doctest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

var codeRow = regexp.MustCompile("(?m)^\\| \\[`([a-z_]+)`\\]\\(\\.\\./runbook/([a-z_]+)\\.md\\) \\| ([^|]+) \\| ([^|]+) \\| (yes|no) \\| ([^|]+) \\|$")

// TestEveryCodeIsExplained: each code has its row in the reference, which says
// of repeating what the code says, and its page in the runbook.
func TestEveryCodeIsExplained(t *testing.T) {
	for _, problem := range unexplained(page(t, "docs/reference/errors.md"), pages(t)) {
		t.Error(problem)
	}
}

func unexplained(reference string, pages map[string]string) (problems []string) {
	var listed []string
	for _, row := range codeRow.FindAllStringSubmatch(reference, -1) {
		name, link, again := row[1], row[2], row[5]
		listed = append(listed, name)
		var code mainstem.Code
		if err := code.UnmarshalText([]byte(name)); err != nil {
			problems = append(problems, err.Error())
		}
		if link != name {
			problems = append(problems, fmt.Sprintf("%s links to the page of %s", name, link))
		}
		if (again == "yes") != code.Retryable() {
			problems = append(problems, fmt.Sprintf("%s: again is %s, and Retryable is %t", name, again, code.Retryable()))
		}
	}
	for _, code := range mainstem.Codes() {
		if !slices.Contains(listed, code.String()) {
			problems = append(problems, fmt.Sprintf("%s has no row in docs/reference/errors.md", code))
		}
		runbook := "docs/runbook/" + code.String() + ".md"
		if !strings.HasPrefix(pages[runbook], "# "+code.String()+"\n") {
			problems = append(problems, fmt.Sprintf("%s has no page %s that begins with its name", code, runbook))
		}
		if !strings.Contains(pages["docs/runbook/README.md"], "("+code.String()+".md)") {
			problems = append(problems, fmt.Sprintf("docs/runbook/README.md does not lead to %s", code))
		}
	}
	return problems
}

func TestEveryCodeIsExplainedGoesRed(t *testing.T) {
	planted := "| [`held`](../runbook/held.md) | a | b | no | c |\n| [`nonsense`](../runbook/nonsense.md) | a | b | no | c |\n"
	problems := strings.Join(unexplained(planted, map[string]string{"docs/runbook/held.md": "# held\n"}), "\n")
	for _, want := range []string{"held: again is no", `"nonsense"`, "conflict has no row", "conflict has no page"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
	if strings.Contains(problems, "held has no") {
		t.Errorf("a code that is explained was missed:\n%s", problems)
	}
}

// TestEveryCommandIsShown: each command of the binary has a heading in the
// reference.
func TestEveryCommandIsShown(t *testing.T) {
	help, err := overview()
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for line := range strings.Lines(page(t, "docs/reference/cli.md")) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			headings = append(headings, strings.Split(strings.ReplaceAll(title, " and ", ", "), ", ")...)
		}
	}
	commands := regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}[A-Z]`).FindAllStringSubmatch(help, -1)
	if len(commands) < 10 {
		t.Fatalf("%d commands in the help: this test cannot read it any more:\n%s", len(commands), help)
	}
	for _, c := range commands {
		if !slices.Contains(headings, c[1]) {
			t.Errorf("docs/reference/cli.md has no heading for %s", c[1])
		}
	}
}
