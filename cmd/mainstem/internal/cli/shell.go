package cli

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// plainWord is what a shell takes as it stands, wherever it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-]+$`)

// shell is text as one word of a shell's command line, so that a name that is
// shown can be copied into the next command. What does not print is written as
// octal bytes in $'…', which bash, zsh, ksh and POSIX of 2024 read: so no name
// moves the cursor of a terminal or hides a part of itself.
func shell(text string) string {
	switch {
	case plainWord.MatchString(text):
		return text
	case !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\'' || r == '\\':
			b.WriteString(`\` + string(r))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
	}
	return "$'" + b.String() + "'"
}
