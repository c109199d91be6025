package doctest

import (
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	alertName = regexp.MustCompile(`(?m)^      - alert: ([A-Za-z]+)$`)
	alertPage = regexp.MustCompile(`(?m)^          runbook_url: https://github\.com/mainstemdb/mainstem/blob/main/docs/runbook/alert/([A-Za-z]+)\.md$`)
)

// TestEveryAlertHasItsPage, and every page its alert.
func TestEveryAlertHasItsPage(t *testing.T) {
	rules := ""
	for _, w := range watched {
		rules += deployed(t, w.alerts)
	}
	for _, problem := range lostAlerts(rules, pages(t)) {
		t.Error(problem)
	}
}

func lostAlerts(rules string, pages map[string]string) (problems []string) {
	names, links := alertName.FindAllStringSubmatch(rules, -1), alertPage.FindAllStringSubmatch(rules, -1)
	if n := strings.Count(rules, "alert:"); n == 0 || n != len(names) {
		problems = append(problems, fmt.Sprintf("%d alerts, of which this test can read %d", n, len(names)))
	}
	if len(names) != len(links) {
		return append(problems, fmt.Sprintf("%d alerts have %d links to pages", len(names), len(links)))
	}
	known := map[string]bool{}
	for i, m := range names {
		name := m[1]
		known[name] = true
		if links[i][1] != name {
			problems = append(problems, fmt.Sprintf("%s leads to the page of %s", name, links[i][1]))
		}
		if !strings.HasPrefix(pages["docs/runbook/alert/"+name+".md"], "# "+name+"\n") {
			problems = append(problems, fmt.Sprintf("%s has no page docs/runbook/alert/%s.md that begins with its name", name, name))
		}
		if !strings.Contains(pages["docs/runbook/README.md"], "(alert/"+name+".md)") {
			problems = append(problems, "docs/runbook/README.md does not lead to "+name)
		}
	}
	for name := range pages {
		if alert, ok := strings.CutSuffix(path.Base(name), ".md"); ok && path.Dir(name) == "docs/runbook/alert" && !known[alert] {
			problems = append(problems, name+" is the page of no alert")
		}
	}
	return problems
}

// TestAlertsFire: when they are to, and not while all is well, as Prometheus itself
// judges it.
func TestAlertsFire(t *testing.T) {
	for _, w := range watched {
		tests := deployed(t, w.tests)
		for _, m := range alertName.FindAllStringSubmatch(deployed(t, w.alerts), -1) {
			if !strings.Contains(tests, `alertname="`+m[1]+`"`) {
				t.Errorf("%s does not make %s fire", w.tests, m[1])
			}
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("not run: no promtool, so whether alerts fire was not checked; Debian has it in the package prometheus")
	}
	for _, w := range watched {
		if out, err := exec.Command(promtool, "test", "rules", root+"/"+w.tests).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestEveryAlertHasItsPageGoesRed(t *testing.T) {
	rule := func(name, link string) string {
		return "      - alert: " + name + "\n          runbook_url: https://github.com/mainstemdb/mainstem/blob/main/docs/runbook/alert/" + link + ".md\n"
	}
	problems := strings.Join(lostAlerts(rule("A", "A")+rule("B", "A")+rule("C", "C")+"   - alert: D\n", map[string]string{
		"docs/runbook/README.md": "(alert/A.md) (alert/B.md)", "docs/runbook/alert/A.md": "# A\n", "docs/runbook/alert/B.md": "# A\n",
		"docs/runbook/alert/C.md": "# C\n", "docs/runbook/alert/E.md": "# E\n", "docs/runbook/held.md": "# held\n",
	}), "\n")
	for _, want := range []string{"4 alerts, of which this test can read 3", "B leads to the page of A", "B has no page", "does not lead to C", "alert/E.md is the page of no alert"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
	if strings.Contains(problems, "A has no") || strings.Contains(problems, "held") {
		t.Errorf("what is right was found wrong:\n%s", problems)
	}
}
