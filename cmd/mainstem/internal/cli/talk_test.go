package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTalks runs the conversations in testdata/talks, each in an empty
// directory. A line "$ …" is a command, lines "< …" below it are its standard
// input, "> FILE" writes those into a file instead; what follows is what it
// printed, "! …" standard error, and "[N]" its exit code unless 0.
func TestTalks(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "talks", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d conversations: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir, said := t.TempDir(), &strings.Builder{}
			for _, turn := range turns(string(text)) {
				turn.take(t, "", dir, said)
			}
			golden(t, name, said.String())
		})
	}
}

// turn is one command of a conversation.
type turn struct {
	comment, command string
	input            []string
}

func turns(text string) (all []turn) {
	comment := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "", strings.HasPrefix(line, "#"):
			comment += line + "\n"
		case strings.HasPrefix(line, "$ "), strings.HasPrefix(line, "> "):
			all = append(all, turn{comment: comment, command: line})
			comment = ""
		case strings.HasPrefix(line, "<"):
			last := &all[len(all)-1]
			last.input = append(last.input, strings.TrimPrefix(line[1:], " "))
		}
	}
	return all
}

func (u turn) take(t *testing.T, server, dir string, said *strings.Builder) {
	t.Helper()
	said.WriteString(u.comment + u.command + "\n")
	for _, line := range u.input {
		said.WriteString(strings.TrimRight("< "+line, " ") + "\n")
	}
	input := strings.Join(u.input, "\n")
	if file, ok := strings.CutPrefix(u.command, "> "); ok {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(input+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	args := words(u.command[2:])
	file := ""
	if i := slices.Index(args, ">"); i >= 0 {
		args, file = args[:i], args[i+1]
	}
	got := asking(t, server, dir, input, args...)
	if slices.Contains(args, "--json") || args[0] == "feed" && got.code == 0 || args[0] == "export" && got.code == 0 {
		wantJSON(t, u.command, got.out)
		wantJSON(t, u.command, got.err)
	}
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(got.out), 0o600); err != nil {
			t.Fatal(err)
		}
		got.out = ""
	}
	if got.out != "" {
		text := strings.ReplaceAll(strings.TrimSuffix(same(got.out), "\n"), "\n\n", "\n(an empty line)\n")
		said.WriteString(text + "\n")
	}
	for line := range strings.Lines(same(got.err)) {
		said.WriteString("! " + strings.TrimSuffix(line, "\n") + "\n")
	}
	if got.code != 0 {
		fmt.Fprintf(said, "[%d]\n", got.code)
	}
}

// words splits a command as a shell would, with single quotes only.
func words(line string) (all []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			all = append(all, part)
			continue
		}
		all = append(all, strings.Fields(part)...)
	}
	return all
}

// What differs from run to run.
var differs = []struct {
	pattern *regexp.Regexp
	same    string
}{
	{regexp.MustCompile(`"token":"[\w-]{20,}"`), `"token":"TOKEN"`},
	{regexp.MustCompile(`"time":"[^"]*"`), `"time":"TIME"`},
	{regexp.MustCompile(`"(incarnation|generation|database|hash|wall|age|now)":"[^"]*"`), `"$1":"DIFFERS"`},
	{regexp.MustCompile(`(database|its hash|its time|log age|incarnation|can lose|time clocks may still add)( {2,}).*`), `${1}${2}DIFFERS`},
	{regexp.MustCompile(`"(loses|leap_used|leap_left)":"[^"]*"`), `"$1":"DIFFERS"`},
	{regexp.MustCompile(`~[\w-]{22}\.\d+`), "~SESSION.1"},
	{regexp.MustCompile(`, in [\d.]+m?s\n`), ", in TIME\n"},
	{regexp.MustCompile(`\bgo1\.[\d.]+\S* \w+/\w+`), "GO PLATFORM"},
}

func same(text string) string {
	for _, d := range differs {
		text = d.pattern.ReplaceAllString(text, d.same)
	}
	return text
}
