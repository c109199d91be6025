package jetstream

import (
	"strings"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/cloudevent"
)

// Subject is where the events of a stream are published: the prefix, and a token
// for each part of the stream's name between slashes. Space, control characters,
// ".", "*", ">", "%" and what is not ASCII become % and two hexadecimal digits for
// each byte; an empty token becomes "%". Different streams have different subjects.
func Subject(prefix, stream string) string {
	tokens := strings.Split(stream, "/")
	for i, token := range tokens {
		if tokens[i] = cloudevent.Escape(token, plain); token == "" {
			tokens[i] = "%"
		}
	}
	return prefix + "." + strings.Join(tokens, ".")
}

// plain is true of what may stand in a token.
func plain(c byte) bool { return c > ' ' && c < 0x7f && c != '.' && c != '*' && c != '>' }

// visible is true of what may stand in a header as it is.
func visible(c byte) bool { return c > ' ' && c < 0x7f }

// checkPrefix accepts tokens as Subject writes them.
func checkPrefix(prefix string) error {
	for token := range strings.SplitSeq(prefix, ".") {
		if token == "" || strings.HasPrefix(prefix, "$") || cloudevent.Escape(token, plain) != token {
			return mainstem.Errorf(mainstem.Invalid, "the prefix %q is not made of tokens of a subject", prefix)
		}
	}
	return nil
}
