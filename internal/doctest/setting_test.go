package doctest

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var settingRow = regexp.MustCompile("(?m)^\\| `([a-z._]+)` \\| `(--[a-z-]+)` \\| `([A-Z_]+)` \\| (?:`([^`]*)`)? ?\\| [^|]+ \\|$")

// setting is what the binary says of one of its settings.
type setting struct{ Key, Flag, Env, Default string }

// TestSettings holds the table of settings to what the server takes.
func TestSettings(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin+"/mainstem", "config", "print", "--json")
	cmd.Env = []string{"HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []setting
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var s setting
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for _, problem := range wrongSettings(page(t, "docs/reference/configuration.md"), all) {
		t.Error(problem)
	}
}

func wrongSettings(reference string, all []setting) (problems []string) {
	listed := map[string]setting{}
	for _, row := range settingRow.FindAllStringSubmatch(reference, -1) {
		listed[row[1]] = setting{Key: row[1], Flag: row[2], Env: row[3], Default: row[4]}
	}
	for _, s := range all {
		if row, ok := listed[s.Key]; !ok {
			problems = append(problems, s.Key+" has no row in docs/reference/configuration.md")
		} else if row != s {
			problems = append(problems, s.Key+": the page has "+strings.Join([]string{row.Flag, row.Env, row.Default}, " ")+
				", the server "+strings.Join([]string{s.Flag, s.Env, s.Default}, " "))
		}
		delete(listed, s.Key)
	}
	for key := range listed {
		problems = append(problems, key+" is in docs/reference/configuration.md and no setting")
	}
	return problems
}

func TestSettingsGoRed(t *testing.T) {
	problems := strings.Join(wrongSettings("| `dir` | `--dir` | `MAINSTEM_DIR` | `elsewhere` | a |\n| `gone` | `--gone` | `MAINSTEM_GONE` | | b |\n", []setting{
		{"dir", "--dir", "MAINSTEM_DIR", "here"}, {"new", "--new", "MAINSTEM_NEW", ""},
	}), "\n")
	for _, want := range []string{"dir: the page has --dir MAINSTEM_DIR elsewhere, the server", "new has no row", "gone is in docs"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
}
