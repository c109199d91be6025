package access

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

// Limits of a policy (L10). They bound what one request costs to check.
const (
	// LimitPolicy is the most bytes of a policy file.
	LimitPolicy = 1 << 20
	// LimitClients is the most clients of a policy.
	LimitClients = 1024
	// LimitRules is the most rules of a client.
	LimitRules = 64
	// LimitPatterns is the most groups of a rule, and the most prefixes.
	LimitPatterns = 64
	// LimitCredentials is the most tokens of a client, and the most certificates.
	LimitCredentials = 8
	// LimitClient is the most bytes of a client's name.
	LimitClient = 128
	// LimitRate is the most that a limit of a client can be, except bytes.
	LimitRate = 1_000_000
)

// Policy says who may do what.
type Policy struct{ Clients []Entry }

// Entry is one client.
type Entry struct {
	// Name is who it is: the actor of its transactions. 1 to LimitClient bytes of
	// printable UTF-8.
	Name         string        `yaml:"name"`
	Tokens       []Token       `yaml:"tokens,omitempty"`
	Certificates []Certificate `yaml:"certificates,omitempty"`
	Rules        []Rule        `yaml:"rules"`
	Limits       Limits        `yaml:"limits,omitempty"`
}

// Token is a token as a policy keeps it. Two at a time let a client change
// from one to the next.
type Token struct {
	SHA256 Hash `yaml:"sha256"`
	// Expires is from when on the token is refused; zero means never.
	Expires time.Time `yaml:"expires,omitempty"`
}

// Certificate names a client certificate by what its authority has put
// into it: one of the two.
type Certificate struct {
	// URI is a URI among the subject's alternative names, as spiffe://shop/web.
	URI string `yaml:"uri,omitempty"`
	// Subject is the whole subject as RFC 2253 writes it, as CN=web,O=shop.
	Subject string `yaml:"subject,omitempty"`
}

// Rule gives rights to names in groups.
type Rule struct {
	Rights []Right `yaml:"rights,flow"`
	// Groups are names of groups, or what they begin with, followed by *. Groups
	// that begin with ~ are Mainstem's own, and only a pattern that begins with ~
	// matches them.
	Groups []string `yaml:"groups,flow"`
	// Prefixes are what names begin with: keys, streams, leases, topics and
	// callers' own IDs alike. None means every name.
	Prefixes []string `yaml:"prefixes,flow,omitempty"`
}

// Limits bound one client. Zero means no limit.
type Limits struct {
	// Requests is how many transactions, views, questions to views and feeds the
	// client may begin per second, at most LimitRate.
	Requests int `yaml:"requests,omitempty"`
	// Burst is how many of them may come at once; zero means Requests.
	Burst int `yaml:"burst,omitempty"`
	// Concurrent is how many transactions and views may be under way at once.
	Concurrent int `yaml:"concurrent,omitempty"`
	// Feeds is how many feeds may be open at once.
	Feeds int `yaml:"feeds,omitempty"`
	// Bytes is the most bytes of one transaction, as Transaction.Size counts them.
	Bytes int `yaml:"bytes,omitempty"`
}

// Hash is the SHA-256 of a token. A token is 256 random bits, so there is nothing
// to guess that a slow hash would make slower to guess: that is for passwords.
// Who reads the policy learns no token, and checking one costs a
// microsecond, where a slow hash would let anybody keep the server busy.
type Hash [32]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes it in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits; anything else is Invalid, in words
// that do not repeat it: it could be the token itself.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return mainstem.Errorf(mainstem.Invalid, "a hash has 64 hexadecimal digits, not %d characters; mainstem token create makes one", len(text))
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return mainstem.Errorf(mainstem.Invalid, "a hash has 64 hexadecimal digits, and this has something else; mainstem token create makes one")
	}
	return nil
}

// quote is text in quotes, on one line.
func quote(text string) string { return strconv.Quote(text) }

// checkClient reports what is wrong with a client's name.
func checkClient(name string) error {
	switch {
	case name == "":
		return mainstem.Errorf(mainstem.Invalid, "a client has no name")
	case len(name) > LimitClient:
		return mainstem.Errorf(mainstem.TooLarge, "the name of a client has %d bytes; the limit is %d", len(name), LimitClient)
	case !utf8.ValidString(name):
		return mainstem.Errorf(mainstem.Invalid, "the name %s of a client is not valid UTF-8", short(name))
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return mainstem.Errorf(mainstem.Invalid, "the name %s of a client has characters that cannot be printed", short(name))
		}
	}
	return nil
}
