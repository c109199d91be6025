package webhook

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestVector: the signature is that of Standard Webhooks, on the example that its
// libraries are tested with.
func TestVector(t *testing.T) {
	keys, err := parseSecrets([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	if err != nil {
		t.Fatal(err)
	}
	got := signatures(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
}

// signedRequest is what a sink sends, at a time.
func signedRequest(t *testing.T, at time.Time, secrets ...string) (http.Header, []byte) {
	t.Helper()
	keys, err := parseSecrets(secrets)
	if err != nil {
		t.Fatal(err)
	}
	body, err := encode("shop", jsonType, sample())
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	id, timestamp := pg.Source("shop").ID(7), strconv.FormatInt(at.Unix(), 10)
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, signatures(keys, id, timestamp, body))
	return h, body
}

// TestVerify: what a sink signed is accepted within the tolerance, to both sides,
// while a secret is being changed too; and nothing else is.
func TestVerify(t *testing.T) {
	old, fresh, other := NewSecret(), NewSecret(), NewSecret()
	now := time.Unix(1_800_000_000, 0)
	set := func(name, value string) func(http.Header, *[]byte) {
		return func(h http.Header, _ *[]byte) { h.Set(name, value) }
	}
	for name, c := range map[string]struct {
		at     time.Time
		by     []string
		knows  []string
		change func(http.Header, *[]byte)
		want   mainstem.Code
	}{
		"as it was sent":             {at: now},
		"at the edge, before":        {at: now.Add(-Tolerance)},
		"at the edge, after":         {at: now.Add(Tolerance)},
		"too old":                    {at: now.Add(-Tolerance - time.Second), want: mainstem.Denied},
		"of the future":              {at: now.Add(Tolerance + time.Second), want: mainstem.Denied},
		"the sender has changed":     {at: now, by: []string{fresh}, knows: []string{old, fresh}},
		"the receiver has not yet":   {at: now, by: []string{fresh, old}, knows: []string{old}},
		"another secret":             {at: now, by: []string{other}, want: mainstem.Denied},
		"another body":               {at: now, change: func(_ http.Header, b *[]byte) { (*b)[len(*b)-3] ^= 1 }, want: mainstem.Denied},
		"another ID":                 {at: now, change: set(HeaderID, "shop-8"), want: mainstem.Denied},
		"another time":               {at: now, change: set(HeaderTimestamp, "1800000001"), want: mainstem.Denied},
		"no signature":               {at: now, change: func(h http.Header, _ *[]byte) { h.Del(HeaderSignature) }, want: mainstem.Invalid},
		"an empty signature":         {at: now, change: set(HeaderSignature, "v1,"), want: mainstem.Denied},
		"a signature of no scheme":   {at: now, change: set(HeaderSignature, "v2,AAAA v1 , v1,?"), want: mainstem.Denied},
		"two IDs":                    {at: now, change: func(h http.Header, _ *[]byte) { h.Add(HeaderID, "shop-7") }, want: mainstem.Invalid},
		"a time with a sign":         {at: now, change: set(HeaderTimestamp, "+1800000000"), want: mainstem.Invalid},
		"a time beyond all":          {at: now, change: set(HeaderTimestamp, "99999999999999999999"), want: mainstem.Invalid},
		"an ID that hides a time":    {at: now, change: set(HeaderID, "shop-7.1"), want: mainstem.Invalid},
		"other signatures beside it": {at: now, change: func(h http.Header, _ *[]byte) { h.Set(HeaderSignature, "v1a,AA= "+h.Get(HeaderSignature)) }},
	} {
		t.Run(name, func(t *testing.T) {
			by, knows := []string{old}, []string{old}
			if c.by != nil {
				by = c.by
			}
			if c.knows != nil {
				knows = c.knows
			}
			header, body := signedRequest(t, c.at, by...)
			if c.change != nil {
				c.change(header, &body)
			}
			r, err := NewReceiver(knows...)
			if err != nil {
				t.Fatal(err)
			}
			m, err := r.Verify(header, body, now)
			if mainstem.CodeOf(err) != c.want {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err == nil && (m.ID != "shop-7" || string(m.Event.Data) != `{"n":1}`) {
				t.Errorf("the message is %+v", m)
			}
		})
	}
}

// TestSecrets: each bound from both sides, and no error tells a secret.
func TestSecrets(t *testing.T) {
	of := func(n int) string {
		return secretMark + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	for _, good := range []string{of(minSecret), of(limitSecret), NewSecret()} {
		if _, err := NewReceiver(good); err != nil {
			t.Errorf("%d characters: %v", len(good), err)
		}
	}
	for _, bad := range []string{"", of(minSecret - 1), of(limitSecret + 1), strings.TrimPrefix(of(32), secretMark), of(32) + "?"} {
		_, err := NewReceiver(of(32), bad)
		if mainstem.CodeOf(err) != mainstem.Invalid || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%d characters: %v", len(bad), err)
		}
	}
	if _, err := NewReceiver(); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("no secret at all: %v", err)
	}
	if one, other := NewSecret(), NewSecret(); one == other {
		t.Error("two new secrets are equal")
	}
}

// TestRetryAfter: seconds and dates, within the bound, and nothing of what cannot
// be read.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "300": LimitRetryAfter, "301": LimitRetryAfter, "4294967295": LimitRetryAfter,
		"-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
		"Thu, 26 Nov 2026 12:00:09 GMT": 9 * time.Second, "Thu, 26 Nov 2026 11:00:00 GMT": 0, "Fri, 26 Nov 2027 12:00:00 GMT": LimitRetryAfter,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("Retry-After %q is %s, want %s", header, got, want)
		}
	}
}
