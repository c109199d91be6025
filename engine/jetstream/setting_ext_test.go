package jetstream_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
)

// wantRefused checks that Open refuses, and names exactly one setting, or
// exactly these.
func wantRefused(t *testing.T, o jetstream.Options, names ...string) {
	t.Helper()
	l, err := jetstream.Open(t.Context(), o)
	if err == nil {
		_ = l.Close()
	}
	var refused *jetstream.Refused
	if !errors.As(err, &refused) {
		t.Errorf("Open: %v, want a refusal of %v", err, names)
		return
	}
	got := []string{}
	for _, s := range refused.Settings {
		got = append(got, s.Name)
		if !strings.Contains(err.Error(), s.Name) {
			t.Errorf("the error does not name %s: %v", s.Name, err)
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("Open refuses %v, want %v: %v", got, names, err)
	}
}

// settings spoil a stream that a log would make, each in one setting.
var settings = map[string]func(s *natsjs.StreamConfig){
	"subjects":             func(s *natsjs.StreamConfig) { s.Subjects = append(s.Subjects, s.Subjects[0]+".more") },
	"retention":            func(s *natsjs.StreamConfig) { s.Retention = natsjs.InterestPolicy },
	"discard":              func(s *natsjs.StreamConfig) { s.Discard = natsjs.DiscardOld },
	"max_msgs":             func(s *natsjs.StreamConfig) { s.MaxMsgs = 1000 },
	"max_bytes":            func(s *natsjs.StreamConfig) { s.MaxBytes = 1 << 30 },
	"max_msgs_per_subject": func(s *natsjs.StreamConfig) { s.MaxMsgsPerSubject = 1000 },
	"max_msg_size":         func(s *natsjs.StreamConfig) { s.MaxMsgSize = 1 << 20 },
	"max_age":              func(s *natsjs.StreamConfig) { s.MaxAge = time.Hour },
	"first_seq":            func(s *natsjs.StreamConfig) { s.FirstSeq = 7 },
	"no_ack":               func(s *natsjs.StreamConfig) { s.NoAck = true },
	"sources": func(s *natsjs.StreamConfig) {
		s.Sources = []*natsjs.StreamSource{{Name: "ELSEWHERE"}}
	},
	"mirror": func(s *natsjs.StreamConfig) {
		s.Mirror, s.Subjects, s.RePublish = &natsjs.StreamSource{Name: "ELSEWHERE"}, nil, nil
	},
	"subject_transform": func(s *natsjs.StreamConfig) {
		s.SubjectTransform = &natsjs.SubjectTransformConfig{Source: s.Subjects[0], Destination: "elsewhere"}
		s.RePublish = &natsjs.RePublish{Source: s.Subjects[0], Destination: s.RePublish.Destination, HeadersOnly: true}
	},
	"allow_rollup_hdrs":   func(s *natsjs.StreamConfig) { s.AllowRollup, s.DenyPurge = true, false },
	"allow_direct":        func(s *natsjs.StreamConfig) { s.AllowDirect = true },
	"allow_msg_ttl":       func(s *natsjs.StreamConfig) { s.AllowMsgTTL = true },
	"allow_msg_counter":   func(s *natsjs.StreamConfig) { s.AllowMsgCounter, s.Discard = true, natsjs.DiscardOld },
	"allow_msg_schedules": func(s *natsjs.StreamConfig) { s.AllowMsgSchedules, s.Discard = true, natsjs.DiscardOld },
	"allow_atomic":        func(s *natsjs.StreamConfig) { s.AllowAtomicPublish = true },
	"allow_batched":       func(s *natsjs.StreamConfig) { s.AllowBatchPublish = true },
	"republish":           func(s *natsjs.StreamConfig) { s.RePublish.HeadersOnly = false },
	"storage":             func(s *natsjs.StreamConfig) { s.Storage = natsjs.MemoryStorage },
	"persist_mode":        func(s *natsjs.StreamConfig) { s.PersistMode = natsjs.AsyncPersistMode },
	"deny_delete":         func(s *natsjs.StreamConfig) { s.DenyDelete = false },
	"deny_purge":          func(s *natsjs.StreamConfig) { s.DenyPurge = false },
	"num_replicas":        func(*natsjs.StreamConfig) {},
	"sealed":              func(*natsjs.StreamConfig) {},
}

// TestStreamSettings: a stream that exists is refused for every setting that a
// log does not bear, and Open makes one that it accepts itself.
func TestStreamSettings(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	js := c.admin(t)
	weak := []string{"storage", "persist_mode", "deny_delete", "deny_purge", "num_replicas"}
	for name, change := range settings {
		t.Run(name, func(t *testing.T) {
			o := c.options()
			config := wanted(o)
			change(&config)
			s, err := js.CreateStream(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			if name == "sealed" { // a stream can only become so
				config.Sealed = true
				if s, err = js.UpdateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			}
			got := s.CachedInfo().Config
			names := refusals(t, o)
			if !slices.Contains(names, name) {
				t.Errorf("a stream with %+v is refused for %v only", got, names)
			}
			o.AcceptWeakDurability = true
			l, err := jetstream.Open(t.Context(), o)
			if !slices.Contains(weak, name) {
				if err == nil {
					t.Errorf("a stream with another %s is accepted as weak", name)
					_ = l.Close()
				}
				return
			}
			if err != nil {
				t.Fatalf("a weak stream is refused: %v", err)
			}
			defer l.Close() //nolint:errcheck // it is only looked at
			if g := l.Guarantees(); !slices.ContainsFunc(g.Weak, func(s string) bool { return strings.HasPrefix(s, name) }) {
				t.Errorf("Guarantees says %v, and nothing of %s", g.Weak, name)
			}
		})
	}
}

// refusals are the settings for which Open refuses a log that must not be weak.
func refusals(t *testing.T, o jetstream.Options) (names []string) {
	t.Helper()
	o.AcceptWeakDurability = false
	l, err := jetstream.Open(t.Context(), o)
	if err == nil {
		_ = l.Close()
	}
	var refused *jetstream.Refused
	if !errors.As(err, &refused) {
		t.Fatalf("Open: %v, want a refusal", err)
	}
	for _, s := range refused.Settings {
		names = append(names, s.Name)
	}
	return names
}

// TestServersAreAsked: servers that do not sync always, or do not show it, are
// weak, and Guarantees says so.
func TestServersAreAsked(t *testing.T) {
	c := newCluster(t, 3)
	c.nodes[2].Lax = true
	c.inProcess(t)
	o := c.options()
	const of = "sync_interval of server "
	wantRefused(t, o, of+"n2")
	system := []string{"nats://sys:s@" + c.nodes[1].addr()}
	o.Monitor = system
	wantRefused(t, o, of+"n2")
	o.Monitor = nil
	if got := refusals(t, o); len(got) != 3 {
		t.Errorf("without a monitor Open refuses %v, want all three servers", got)
	}
	o.AcceptWeakDurability = true
	if g := open(t, o).Guarantees(); g.Synced || len(g.Weak) != 3 || g.Machines != 2 {
		t.Errorf("Guarantees without a monitor: %+v", g)
	}
	o.Monitor = system
	if g := open(t, o).Guarantees(); g.Synced || len(g.Weak) != 1 || !strings.Contains(g.Weak[0], "n2") {
		t.Errorf("Guarantees with one server that does not sync: %+v", g)
	}
	o.Monitor = []string{"http://127.0.0.1:1"}
	if _, err := jetstream.Open(t.Context(), o); err == nil || errors.As(err, new(*jetstream.Refused)) {
		t.Errorf("Open with a monitor that does not answer: %v", err)
	}
}

// TestStrong: three servers that sync always are not weak, and Guarantees is right.
func TestStrong(t *testing.T) {
	c := newCluster(t, 3).inProcess(t)
	o := c.options()
	g := open(t, o).Guarantees()
	if !g.Synced || g.Machines != 2 || len(g.Weak) != 0 || g.Engine != "jetstream" {
		t.Errorf("Guarantees: %+v", g)
	}
	one := o
	one.Name, one.Replicas = one.Name+"-one", 1
	wantRefused(t, one, "num_replicas")
	one.Name, one.Replicas = o.Name, 5
	wantRefused(t, one, "num_replicas")
}

// TestConnections: a connection that keeps publishes for later is refused, and
// so is a server that takes no record of the largest size.
func TestConnections(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[0].Payload = jetstream.MinPayload - 1
	c.inProcess(t)
	o := c.options()
	wantRefused(t, o, "max_payload")
	conn, err := nats.Connect(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	o.URL, o.Conn = "", conn
	wantRefused(t, o, "ReconnectBufSize of Options.Conn", "max_payload")
}

// TestSmallestPayload: MinPayload is enough for the largest record.
func TestSmallestPayload(t *testing.T) {
	c := newCluster(t, 1)
	c.nodes[0].Payload = jetstream.MinPayload
	c.inProcess(t)
	l := open(t, c.options())
	if _, err := l.Append(t.Context(), journal.Head{}, make([]byte, journal.MaxRecord)); err != nil {
		t.Error(err)
	}
}
