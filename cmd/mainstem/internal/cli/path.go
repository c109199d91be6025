package cli

import (
	"strings"

	"github.com/mainstemdb/mainstem"
)

// full reports a path that lacks its name.
func full(p mainstem.Path, noun string) error {
	if p.Name == "" {
		return misused(`write it GROUP/NAME; "/" inside the group is %2F`, "%q names no %s", p, noun)
	}
	return nil
}

// reserved reports whether a group is one of Mainstem's own, followers for
// example, which only Mainstem writes.
func reserved(group string) bool { return strings.HasPrefix(group, "~") }
