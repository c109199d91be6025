package assistant_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise/assistant"
	"github.com/mainstemdb/mainstem/advise/rules"
)

var update = flag.Bool("update", false, "write the golden skill file anew")

// TestSkillIsFresh: the file in testdata is what the rules make today.
func TestSkillIsFresh(t *testing.T) {
	name := filepath.Join("testdata", "SKILL.md")
	if *update {
		if err := os.WriteFile(name, assistant.Skill(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(assistant.Skill(), want) {
		t.Errorf("%s is not what the rules make: go test ./assistant -update, and read the difference", name)
	}
}

var quoted = regexp.MustCompile("`([a-z0-9-]+)`$")

// TestSkillHasEveryRule of the kinds that it is made from, and no rule that does not exist.
func TestSkillHasEveryRule(t *testing.T) {
	skill := string(assistant.Skill())
	kinds := map[rules.Kind]bool{
		rules.Decision: true, rules.Contradiction: true, rules.Failure: true, rules.Exposure: true, rules.Gate: true, rules.Boundary: true, rules.Delegation: true,
	}
	for _, r := range rules.All() {
		if kinds[r.Kind] && !strings.Contains(skill, "`"+r.ID+"`\n") {
			t.Errorf("%s is not in the skill file", r.ID)
		}
	}
	for line := range strings.Lines(skill) {
		m := quoted.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		if _, ok := rules.Lookup(m[1]); !ok {
			t.Errorf("there is no rule %s", m[1])
		}
		if strings.Contains(line, "and and") || strings.Contains(line, "  ") && !strings.HasPrefix(line, " ") {
			t.Errorf("not a sentence: %s", line)
		}
	}
}

// TestSkillHasAHead that a reader of skill files understands.
func TestSkillHasAHead(t *testing.T) {
	parts := strings.SplitN(string(assistant.Skill()), "---\n", 3)
	var head struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	}
	if len(parts) != 3 || parts[0] != "" {
		t.Fatal("no head between two lines of dashes")
	}
	if err := yaml.Unmarshal([]byte(parts[1]), &head); err != nil {
		t.Fatal(err)
	}
	if head.Name != "mainstem-advise" || head.Description == "" || len(head.Description) > 1024 {
		t.Errorf("%+v", head)
	}
	for _, section := range []string{"When to use this", "How to work", "Tools", "Decision points", "Failure modes", "Quality gates", "Boundaries"} {
		if !strings.Contains(parts[2], "\n## "+section+"\n") {
			t.Errorf("no section %s", section)
		}
	}
}
