package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// tokenPrefix begins every token, so that one that got lost in a log or a
// repository is recognized for what it is.
const tokenPrefix = "mst_"

// LimitToken is the most bytes of a token that a server looks at.
const LimitToken = 256

// NewToken makes a token: 256 random bits, written in 47 characters.
func NewToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails (Go 1.24)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// HashOf is the hash under which a policy keeps a token.
func HashOf(token string) Hash { return sha256.Sum256([]byte(token)) }

// bearer takes the token out of an Authorization header (RFC 6750, section 2.1;
// the scheme is the same in any case, RFC 9110, section 11.1).
func bearer(header string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= LimitToken
}
