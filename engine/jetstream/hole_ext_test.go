package jetstream_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
)

// unguarded makes a log in a stream of which messages can be deleted.
func (c *cluster) unguarded(t *testing.T, records int) (jetstream.Options, *jetstream.Log, natsjs.Stream, []journal.Head) {
	t.Helper()
	o := c.options()
	o.AcceptWeakDurability = true
	s := makeUnguarded(t, c.admin(t), o)
	l := open(t, o)
	heads := []journal.Head{{}}
	for i := range records {
		after := heads[len(heads)-1]
		next, err := l.Append(t.Context(), after, link(after, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, next)
	}
	return o, l, s, heads
}

func makeUnguarded(t *testing.T, js natsjs.JetStream, o jetstream.Options) natsjs.Stream {
	t.Helper()
	config := wanted(o)
	config.DenyDelete, config.DenyPurge = false, false
	s, err := js.CreateStream(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wanted is the stream that Open makes.
func wanted(o jetstream.Options) natsjs.StreamConfig {
	subject := "mainstem." + o.Name + ".p0.g1"
	return natsjs.StreamConfig{
		Name: streamOf(o), Subjects: []string{subject}, Discard: natsjs.DiscardNew, Replicas: o.Replicas,
		DenyDelete: true, DenyPurge: true,
		RePublish: &natsjs.RePublish{Source: subject, Destination: subject + ".news", HeadersOnly: true},
	}
}

// readUntil is the slot of the last entry before a read ends in an error.
func readUntil(t *testing.T, l journal.Log, from uint64) (last uint64, failed error) {
	t.Helper()
	for e, err := range l.Read(t.Context(), from) {
		if err != nil {
			return last, err
		}
		last = e.Slot
	}
	return last, nil
}

func wantDamage(t *testing.T, what string, err error, slot uint64) {
	t.Helper()
	var d *jetstream.Damage
	if !errors.As(err, &d) || !errors.Is(err, journal.ErrCorrupt) || d.Slot != slot {
		t.Errorf("%s: %v, want damage in slot %d", what, err, slot)
	}
}

// TestHolesAreFound: a message that somebody deletes is missed, its slot is
// named, and nothing behind it is served (L2, L12).
func TestHolesAreFound(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	o, l, s, _ := c.unguarded(t, 9)
	if err := s.DeleteMsg(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	last, err := readUntil(t, l, 1)
	wantDamage(t, "Read over a hole", err, 5)
	if last != 4 {
		t.Errorf("slot %d was yielded before a hole in slot 5", last)
	}
	if last, err := readUntil(t, l, 6); err != nil || last != 9 {
		t.Errorf("Read behind the hole: %d, %v", last, err)
	}
	if err := s.SecureDeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, err = readUntil(t, l, 2)
	wantDamage(t, "Read of a stream that begins with message 2", err, 1)
	_, err = jetstream.Open(t.Context(), o)
	wantDamage(t, "Open of it", err, 0)
}

// TestHoleBeforeASuccessor: an append must know what follows its predecessor.
func TestHoleBeforeASuccessor(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	_, l, s, heads := c.unguarded(t, 4)
	if err := s.DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	_, err := l.Append(t.Context(), heads[2], link(heads[2], "late"))
	wantDamage(t, "Append where the successor is missing", err, 3)
	if !errors.Is(err, journal.ErrFailed) {
		t.Errorf("Append where the successor is missing: %v, want ErrFailed: the server refused the message", err)
	}
}

// TestStrangersStop: messages that no log wrote, and a fork, are damage.
func TestStrangersStop(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	js := c.admin(t)
	for name, plant := range map[string]func(t *testing.T, l *jetstream.Log, o jetstream.Options, heads []journal.Head){
		"no message of a log": func(t *testing.T, _ *jetstream.Log, o jetstream.Options, _ []journal.Head) {
			if _, err := js.Publish(t.Context(), "mainstem."+o.Name+".p0.g1", []byte("hello")); err != nil {
				t.Fatal(err)
			}
		},
		"a message of another log": func(t *testing.T, _ *jetstream.Log, o jetstream.Options, _ []journal.Head) {
			other, _, _, _ := c.unguarded(t, 1)
			m, err := js.Stream(t.Context(), streamOf(other))
			if err != nil {
				t.Fatal(err)
			}
			first, err := m.GetMsg(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := js.Publish(t.Context(), "mainstem."+o.Name+".p0.g1", first.Data); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, l, _, heads := c.unguarded(t, 3)
			plant(t, l, o, heads)
			last, err := readUntil(t, l, 1)
			wantDamage(t, "Read", err, 4)
			if last != 3 {
				t.Errorf("the last slot before it is %d", last)
			}
			_, err = l.Append(t.Context(), heads[3], link(heads[3], "next"))
			wantDamage(t, "Append", err, 4)
			if err := l.Confirm(t.Context(), heads[3]); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("Confirm: %v, want ErrCorrupt", err)
			}
		})
	}
}

// TestForksStop: records of another history of the same log, in the place of a
// successor, are a fork and no voids (L2).
func TestForksStop(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	js := c.admin(t)
	for name, from := range map[string]uint64{
		"a successor of another record": 4, "a successor of what is not there": 5, "a successor of another ancestor": 2,
	} {
		t.Run(name, func(t *testing.T) {
			o, _, s, _ := c.unguarded(t, 5)
			stranger, err := s.GetMsg(t.Context(), from)
			if err != nil {
				t.Fatal(err)
			}
			if err := js.DeleteStream(t.Context(), streamOf(o)); err != nil {
				t.Fatal(err)
			}
			makeUnguarded(t, js, o)
			l := open(t, o)
			heads := []journal.Head{{}}
			for range 3 {
				after := heads[len(heads)-1]
				next, err := l.Append(t.Context(), after, link(after, "another"))
				if err != nil {
					t.Fatal(err)
				}
				heads = append(heads, next)
			}
			if _, err := js.Publish(t.Context(), stranger.Subject, stranger.Data); err != nil {
				t.Fatal(err)
			}
			_, err = l.Append(t.Context(), heads[3], link(heads[3], "next"))
			wantDamage(t, "Append", err, 4)
			if !errors.Is(err, journal.ErrFailed) {
				t.Errorf("Append: %v, want ErrFailed: the server refused the message", err)
			}
		})
	}
}

// TestHeadsAreComparedByHash: servers that lost the tail and were written to
// again have the expected sequence, and another record there. A connection that
// was lost meanwhile makes the log look.
func TestHeadsAreComparedByHash(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p, js := newProxy(t, c.nodes[0]), c.admin(t)
	o, _, _, heads := c.unguarded(t, 3)
	straight := o
	o.URL, o.Conn = "", p.dial(t)
	l := open(t, o)
	if err := l.Confirm(t.Context(), heads[3]); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), streamOf(o)); err != nil {
		t.Fatal(err)
	}
	makeUnguarded(t, js, o)
	other := open(t, straight)
	after := journal.Head{}
	for range 4 { // as many messages as there were
		next, err := other.Append(t.Context(), after, link(after, "another"))
		if err != nil {
			t.Fatal(err)
		}
		after = next
	}
	reconnected := make(chan struct{}, 1)
	o.Conn.SetReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} })
	p.cut()
	<-reconnected
	if _, err := l.Append(t.Context(), heads[3], link(heads[3], "next")); !errors.Is(err, journal.ErrLost) {
		t.Errorf("Append after a record that was replaced: %v, want ErrLost", err)
	}
}

// TestLostStream: a stream that ends before what the log has seen of it has
// lost it, and one that is gone has lost everything.
func TestLostStream(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	js := c.admin(t)
	for name, again := range map[string]bool{"made anew": true, "deleted": false} {
		t.Run(name, func(t *testing.T) {
			o, _, _, heads := c.unguarded(t, 3)
			o.Timeout, o.AckWait = 200*time.Millisecond, 100*time.Millisecond
			l := open(t, o)
			if err := js.DeleteStream(t.Context(), streamOf(o)); err != nil {
				t.Fatal(err)
			}
			if again {
				makeUnguarded(t, js, o)
			}
			deadline := time.Now().Add(10 * time.Second)
			for {
				_, err := l.Append(t.Context(), heads[3], link(heads[3], "next"))
				if err == nil {
					t.Fatal("an append to a stream that has lost its predecessor is acknowledged")
				}
				if errors.Is(err, journal.ErrCorrupt) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("after ten seconds: %v, want ErrCorrupt", err)
				}
			}
		})
	}
}
