package pg

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// keyEscapes keeps the joint of two parts, its own mark, and the mark of a
// shortened key out of the parts.
var keyEscapes = strings.NewReplacer("%", "%25", "|", "%7C", "#", "%23", "\x00", "%00")

// Key makes one key of several parts, for example Key("refund", orderID, line).
// It is deterministic, for good, and injective: different parts give different
// keys, where joining them as they are would not ("a|b", "c" and "a", "b|c").
// Parts stay readable; a key that would be longer than mainstem.LimitName is
// "#" and the SHA-256 of what it would have been.
//
// No parts give the empty key, which every call refuses.
func Key(parts ...string) string {
	if len(parts) == 0 {
		return ""
	}
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = keyEscapes.Replace(part)
	}
	// A single empty part must differ from no parts.
	key := strings.Join(escaped, "|") + "|"
	if len(key) > mainstem.LimitName {
		sum := sha256.Sum256([]byte(key))
		return "#" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return key
}
