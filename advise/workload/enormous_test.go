package workload

import (
	"strings"
	"testing"
	"time"
)

// TestEnormous: a description at the limit is read or refused in a moment,
// whatever it is made of.
func TestEnormous(t *testing.T) {
	fill := func(head, unit string) []byte {
		return []byte(head + strings.Repeat(unit, (LimitDocument-len(head))/len(unit)))
	}
	for name, doc := range map[string][]byte{
		"brackets":   fill("a: ", "["),
		"braces":     fill("", "{a: "),
		"dashes":     fill("", "- "),
		"questions":  fill("", "? "),
		"comments":   fill("", "# x\n"),
		"fields":     fill("", "about: {}\n"),
		"elements":   fill("operations:\n", "- {kind: read}\n"),
		"one word":   fill("about: {name: ", "x"),
		"one key":    fill("", "x"),
		"quotes":     fill("about: {name: \"", "\\\\"),
		"anchors":    fill("", "- &a x\n"),
		"aliases":    fill("- &a x\n", "- *a\n"),
		"tabs":       fill("about:\n", "\t"),
		"digits":     fill("quorum: {n: ", "9"),
		"documents":  fill("", "---\n"),
		"line feeds": fill("", "\n"),
	} {
		began := time.Now()
		_, err := Decode(doc)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %s", name, took)
		}
		if err != nil && len(err.Error()) > 64<<10 {
			t.Errorf("%s: a message of %d bytes", name, len(err.Error()))
		}
	}
}
