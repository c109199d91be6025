// Package session carries what a user has seen through a service's own HTTP, so
// that reads see the user's own writes whichever instance answers, and however far
// its replica is behind (Terry et al., "Session guarantees for weakly consistent
// replicated data", 1994).
//
// Handler goes before a service's handlers, also those of Connect:
//
//	keeper, err := session.New(db, session.Config{Keys: keys, Cookie: "seen"})
//	http.ListenAndServe(addr, keeper.Handler(mux))
//
// In them, Of gives the session:
//
//	v, err := session.Of(r.Context()).DB().Get(ctx, "profile-1", "name", mainstem.Local())
//
// The token travels signed, in a header and, if asked for, in a cookie. Signed,
// because a token that somebody made up makes reads wait for what never comes.
package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Header carries the signed token, in requests and in responses.
const Header = "Mainstem-Session"

// Limits (L10).
const (
	// MinKey is the least bytes of a key.
	MinKey = 32
	// LimitKeys is the most keys at a time.
	LimitKeys = 8
	// LimitCookie is the most bytes of a cookie that every browser keeps (RFC
	// 6265, section 6.1), its name and attributes included. A token of a hundred
	// partitions fits; a response with a larger one has it in the header only.
	LimitCookie = 4096
)

// Config sets up a Keeper.
type Config struct {
	// Keys sign tokens: the first one signs, every one is believed. To change a key,
	// put the new one first, and take the old one out once its tokens are as old
	// as CookieAge. All instances of a service have the same.
	Keys [][]byte
	// Cookie is the name of a cookie that browsers carry the token in; empty for
	// none.
	Cookie string
	// CookieAge is how long they do; 0 means DefaultCookieAge.
	CookieAge time.Duration
	// Plain lets the cookie travel without TLS, which is for development.
	Plain bool
}

// DefaultCookieAge is how long browsers carry a token unless told otherwise: no
// replica should be further behind.
const DefaultCookieAge = time.Hour

// Keeper gives each request its session.
type Keeper struct {
	db *mainstem.DB
	Config
}

// New makes a Keeper. The sessions read and write through db.
func New(db *mainstem.DB, c Config) (*Keeper, error) {
	if c.CookieAge == 0 {
		c.CookieAge = DefaultCookieAge
	}
	if len(c.Keys) == 0 || len(c.Keys) > LimitKeys {
		return nil, mainstem.Errorf(mainstem.Invalid, "%d keys; a session needs 1 to %d", len(c.Keys), LimitKeys)
	}
	for i, key := range c.Keys {
		if len(key) < MinKey {
			return nil, mainstem.Errorf(mainstem.Invalid, "key %d has %d bytes; it needs %d, from a good source of chance", i+1, len(key), MinKey)
		}
	}
	if err := (&http.Cookie{Name: c.Cookie, Value: "v"}).Valid(); c.Cookie != "" && err != nil {
		return nil, mainstem.Errorf(mainstem.Invalid, "cookie %q: %w", c.Cookie, err)
	}
	if c.CookieAge < 0 {
		return nil, mainstem.Errorf(mainstem.Invalid, "a cookie that lives for %s", c.CookieAge)
	}
	return &Keeper{db: db, Config: c}, nil
}

type inContext struct{}

// Of is the session of a request that came through Handler, or nil.
func Of(ctx context.Context) *mainstem.Session {
	s, _ := ctx.Value(inContext{}).(*mainstem.Session)
	return s
}

// Sign is a token as it travels.
func (k *Keeper) Sign(token mainstem.Token) string {
	text := token.String()
	return base64.RawURLEncoding.EncodeToString(sum(k.Keys[0], text)) + "." + text
}

// Parse reads what Sign of a Keeper with one of the same keys wrote. Anything else
// is Invalid.
func (k *Keeper) Parse(signed string) (mainstem.Token, error) {
	signature, text, _ := strings.Cut(signed, ".")
	given, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err == nil {
		for _, key := range k.Keys {
			if hmac.Equal(given, sum(key, text)) {
				return mainstem.ParseToken(text)
			}
		}
	}
	return mainstem.Token{}, mainstem.Errorf(mainstem.Invalid, "session token of %d characters: it is cut off, or was signed with another key", len(signed))
}

// sum is the signature. What it is for is part of it, so that no key that is used
// for something else too can be made to sign a token.
func sum(key []byte, token string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("mainstem session 1\x00" + token))
	return mac.Sum(nil)
}
