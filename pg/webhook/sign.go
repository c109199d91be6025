package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Tolerance is how far a request's timestamp may be from the receiver's clock, to
// either side.
const Tolerance = 5 * time.Minute

// Bounds of a secret, in bytes.
const (
	minSecret   = 24
	limitSecret = 64
)

const (
	secretMark    = "whsec_"
	signatureMark = "v1,"
)

// key is a secret as it signs.
type key []byte

// NewSecret makes a secret of 32 random bytes.
func NewSecret() string {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // crypto/rand never fails
	return secretMark + base64.StdEncoding.EncodeToString(secret)
}

// parseSecrets never puts a secret into an error.
func parseSecrets(secrets []string) (keys []key, err error) {
	if len(secrets) == 0 {
		return nil, mainstem.Errorf(mainstem.Invalid, "the webhook has no secret")
	}
	for i, secret := range secrets {
		text, marked := strings.CutPrefix(secret, secretMark)
		k, err := base64.StdEncoding.DecodeString(text)
		if !marked || err != nil || len(k) < minSecret || len(k) > limitSecret {
			return nil, mainstem.Errorf(mainstem.Invalid, "secret %d of %d is not %q and the base64 of %d to %d bytes", i+1, len(secrets), secretMark, minSecret, limitSecret)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// sum is over ID, timestamp and body. Neither of the first two can have a "." in
// it, so that each signed text is read in one way only.
func (k key) sum(id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// signatures is the header: one by each key.
func signatures(keys []key, id, timestamp string, body []byte) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = signatureMark + base64.StdEncoding.EncodeToString(k.sum(id, timestamp, body))
	}
	return strings.Join(all, " ")
}

// Receiver checks what a Sink sends.
type Receiver struct{ keys []key }

// NewReceiver takes the secrets that a sender may sign with: while one is being
// changed, the old and the new.
func NewReceiver(secrets ...string) (*Receiver, error) {
	keys, err := parseSecrets(secrets)
	if err != nil {
		return nil, err
	}
	return &Receiver{keys}, nil
}

// Verify checks a request's signature, in constant time, and that its timestamp is
// within Tolerance of now, and reads its body; a handler gets that by
//
//	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.LimitBody))
//
// It is Denied if the sender does not have the secret, or the request is an old
// one: answer 401, and the sender waits until that is mended. It is Invalid if the
// sender does not send what a Sink sends. That the same request comes twice within
// Tolerance is no error: what must happen once goes by Message.ID.
func (r *Receiver) Verify(header http.Header, body []byte, now time.Time) (Message, error) {
	var values [3]string
	for i, name := range []string{HeaderID, HeaderTimestamp, HeaderSignature} {
		all := header.Values(name)
		if len(all) != 1 || all[0] == "" {
			return Message{}, mainstem.Errorf(mainstem.Invalid, "the header %s is there %d times, or empty; once is right", name, len(all))
		}
		values[i] = all[0]
	}
	id, timestamp, signed := values[0], values[1], values[2]
	if strings.Contains(id, ".") {
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the header %s has a full stop in it", HeaderID)
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 62)
	if err != nil {
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the header %s is no time in seconds: %w", HeaderTimestamp, err)
	}
	if !r.signed(id, timestamp, signed, body) {
		return Message{}, mainstem.Errorf(mainstem.Denied, "no signature in the header %s is by one of %d secrets", HeaderSignature, len(r.keys))
	}
	if off := now.Sub(time.Unix(int64(seconds), 0)).Abs(); off > Tolerance {
		return Message{}, mainstem.Errorf(mainstem.Denied, "the request was signed at %d, which is %s from now; %s is possible", seconds, off.Round(time.Second), Tolerance)
	}
	m, err := decode(body)
	switch {
	case err != nil:
		return Message{}, err
	case m.ID != id:
		return Message{}, mainstem.Errorf(mainstem.Invalid, "the body is of event %.200q, and the header %s says %.200q", m.ID, HeaderID, id)
	}
	return m, nil
}

// signed compares every signature with every key.
func (r *Receiver) signed(id, timestamp, list string, body []byte) (ok bool) {
	sums := make([][]byte, len(r.keys))
	for i, k := range r.keys {
		sums[i] = k.sum(id, timestamp, body)
	}
	for one := range strings.FieldsSeq(list) {
		text, marked := strings.CutPrefix(one, signatureMark)
		sum, err := base64.StdEncoding.DecodeString(text)
		if !marked || err != nil {
			continue // of another scheme, which others may read
		}
		for _, mine := range sums {
			ok = hmac.Equal(sum, mine) || ok
		}
	}
	return ok
}
