package jetstream

import (
	"bytes"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/mainstemdb/mainstem/journal"
)

var head = journal.Head{Index: 7, Slot: 9, Hash: journal.Sum([]byte("seven"))}

func TestMessagesReadBack(t *testing.T) {
	for _, m := range []message{
		{kind: kindRecord},
		{kind: kindRecord, record: []byte("first")},
		{kind: kindRecord, names: head, record: bytes.Repeat([]byte{0xa5}, 1000)},
		{kind: kindRecord, names: head, record: make([]byte, journal.MaxRecord)},
		{kind: kindProof},
		{kind: kindProof, names: head},
	} {
		got, err := decode("s", m.encode("s"))
		if err != nil || got.kind != m.kind || got.names != m.names || !bytes.Equal(got.record, m.record) {
			t.Errorf("a message of kind %d that names %+v reads back as %+v, %v", m.kind, m.names, got.names, err)
		}
	}
}

// TestEveryFlipIsFound: no bit of a message can change unnoticed (L12).
func TestEveryFlipIsFound(t *testing.T) {
	b := message{kind: kindRecord, names: head, record: []byte("a record")}.encode("s")
	for i := range 8 * len(b) {
		b[i/8] ^= 1 << (i % 8)
		if m, err := decode("s", b); err == nil {
			t.Errorf("bit %d was flipped, and it reads as %+v", i, m)
		}
		b[i/8] ^= 1 << (i % 8)
	}
	for n := range b {
		if m, err := decode("s", b[:n]); err == nil {
			t.Errorf("%d of %d bytes read as %+v", n, len(b), m)
		}
	}
}

func TestForeignMessagesAreRefused(t *testing.T) {
	for what, b := range map[string][]byte{
		"another stream's":        message{kind: kindRecord, names: head}.encode("mainstem-b-p0-g1"),
		"of no kind":              message{kind: 3, names: head}.encode("mainstem-a-p0-g1"),
		"a proof with a record":   message{kind: kindProof, names: head, record: []byte("x")}.encode("mainstem-a-p0-g1"),
		"a hash without index":    message{kind: kindRecord, names: journal.Head{Hash: head.Hash}}.encode("mainstem-a-p0-g1"),
		"an index without a slot": message{kind: kindRecord, names: journal.Head{Index: 1, Hash: head.Hash}}.encode("mainstem-a-p0-g1"),
		"longer than any record":  message{kind: kindRecord, names: head, record: make([]byte, journal.MaxRecord+1)}.encode("mainstem-a-p0-g1"),
		"somebody else's":         bytes.Repeat([]byte("hello"), 20),
	} {
		if m, err := decode("mainstem-a-p0-g1", b); err == nil || errors.Is(err, ErrVersion) {
			t.Errorf("a message that is %s reads as %+v, %v", what, m, err)
		}
	}
	newer := message{kind: kindRecord}.encode("s")
	newer[3] = '2'
	if _, err := decode("s", newer); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer version: %v, want ErrVersion", err)
	}
}

// FuzzDecode: what is accepted is exactly what encode writes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("MSJ2"))
	f.Add(message{kind: kindProof, names: head}.encode("s"))
	f.Add(message{kind: kindRecord, names: head, record: []byte("a record")}.encode("s"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= envelope {
			// A random sum is never right: give it one, so that the rest is looked at.
			b = bytes.Clone(b)
			putSum("s", b)
		}
		m, err := decode("s", b)
		if err == nil && !bytes.Equal(m.encode("s"), b) {
			t.Errorf("%x is accepted and is written as %x", b, m.encode("s"))
		}
	})
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"2.14.9": true, "2.14.10": true, "2.15.2": true, "2.15.2-RC.1": true, "2.16.0": true, "3.0.0": true, "v2.15.3": true,
		"2.14.8": false, "2.15.1": false, "2.15.0": false, "2.13.20": false, "1.99.99": false, "": false, "2.15": false, "2.x.9": false,
	} {
		if recent(version) != want {
			t.Errorf("recent(%q) = %v", version, !want)
		}
	}
}

func TestCredentialsAreHidden(t *testing.T) {
	got := redacted("nats://user:secret@a:4222,nats://secret@b:4222, nats://c:4222")
	if got != "nats://hidden@a:4222,nats://hidden@b:4222,nats://c:4222" {
		t.Errorf("redacted: %s", got)
	}
	if got := redacted("nats://user:secret@a:port"); bytes.Contains([]byte(got), []byte("secret")) {
		t.Errorf("a URL that does not parse: %s", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, name := range []string{"", "A", "a.b", "a b", "-a", "a*", "a>", "ä", "a_b", string(bytes.Repeat([]byte("a"), LimitName+1))} {
		if _, err := (Options{Name: name, URL: "nats://x"}).withDefaults(); err == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
	longest := string(bytes.Repeat([]byte("a"), LimitName))
	for _, c := range []struct {
		o  Options
		ok bool
	}{
		{Options{Name: longest, URL: "nats://x"}, true},
		{Options{Name: "a"}, false},
		{Options{Name: "a", URL: "nats://x", Conn: &nats.Conn{}}, false},
		{Options{Name: "a", URL: "nats://x", Replicas: 2}, false},
		{Options{Name: "a", URL: "nats://x", Replicas: 5}, true},
		{Options{Name: "a", URL: "nats://x", AckWait: 1}, false},
		{Options{Name: "a", URL: "nats://x", Timeout: 1e6}, false},
		{Options{Name: "a", URL: "nats://x", Timeout: 1e9, AckWait: 1e9}, true},
	} {
		if _, err := c.o.withDefaults(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	o := Options{Name: "shop", Partition: 3, Generation: 2}
	if o.stream() != "mainstem-shop-p3-g2" || o.subject() != "mainstem.shop.p3.g2" {
		t.Errorf("stream %s, subject %s", o.stream(), o.subject())
	}
}
