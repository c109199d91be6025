package pg

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// Source names the history of one schema to those that its events are handed on
// to. Choose it once: at most LimitSource letters, digits, "-" and "_" of ASCII. Positions
// are unique within a schema, and the same in another; so two schemas, or two
// restores of one dump, need two names, and a schema that begins anew needs a
// new one. A failover, or a restore that takes the place of what it was made
// from, keeps the name.
type Source string

// LimitSource is the most bytes of a Source.
const LimitSource = 64

// Check says what is wrong with the name, if anything is.
func (s Source) Check() error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	switch {
	case s == "":
		return mainstem.Errorf(mainstem.Invalid, "the source has no name")
	case len(s) > LimitSource:
		return mainstem.Errorf(mainstem.TooLarge, "source name of %d bytes; the limit is %d", len(s), LimitSource)
	case strings.Trim(string(s), allowed) != "":
		return mainstem.Errorf(mainstem.Invalid, "source name %q has something else than letters, digits, - and _ in it", s)
	}
	return nil
}

// ID names one event for good, whatever is repeated: no other event of any
// source has it.
func (s Source) ID(at mainstem.Position) string { return fmt.Sprintf("%s-%d", s, at) }
