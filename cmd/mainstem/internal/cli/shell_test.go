package cli

import (
	"os/exec"
	"strings"
	"testing"
	"unicode"
)

// TestShell: whatever a name is, a shell reads what is shown as that name, and
// what is shown is one line that prints.
func TestShell(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("not run: there is no bash to read the words: install it")
	}
	names := []string{
		"", "a", "-a", "~relay", "a b", "it's", `"`, `\`, "$HOME", "`ls`", "!1", "*", "#", "=ls", "a\nb\n", "\x1b[2J", "\t",
		"\u202egpj", "\u200b", "ä", "\u00a0", "'\n'", "\\\x01", "http|acme|order 7|", "{a,b}", "\U0010ffff", "\x7f1",
	}
	for r := rune(1); r < 0x300; r++ { // no name has NUL
		names = append(names, string(r), "a"+string(r)+"7")
	}
	script := ""
	for _, name := range names {
		word := shell(name)
		if strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is shown as %q", name, word)
		}
		script += "printf '%s\\0' " + word + "\n"
	}
	out, err := exec.Command(bash, "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(string(out), "\x00")
	for i, name := range names {
		if i >= len(got) || got[i] != name {
			t.Fatalf("%q is shown as %s, and bash reads something else", name, shell(name))
		}
	}
}
