package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
)

// TestProofsAreVoids: a proof takes a slot, reads as the record it confirms, and
// disturbs nobody (L2, L8).
func TestProofsAreVoids(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	o := c.options()
	l, other := open(t, o), open(t, o)
	for range 3 { // of the empty log: before the first slot
		if err := l.Confirm(t.Context(), journal.Head{}); err != nil {
			t.Fatal(err)
		}
	}
	if last, err := readUntil(t, other, 1); err != nil || last != 0 {
		t.Fatalf("an empty log with proofs reads up to slot %d, %v", last, err)
	}
	head := journal.Head{}
	for i := range 4 {
		next, err := other.Append(t.Context(), head, link(head, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && next.Slot != 1 {
			t.Errorf("the first record is in slot %d", next.Slot)
		}
		for range i {
			if err := l.Confirm(t.Context(), next); err != nil {
				t.Errorf("Confirm of the tail: %v", err)
			}
		}
		if err := l.Confirm(t.Context(), head); !errors.Is(err, journal.ErrLost) {
			t.Errorf("Confirm of the parent of the tail: %v, want ErrLost", err)
		}
		head = next
	}
	again := open(t, o)
	records, heads, voids := chain(t, again)
	if fmt.Sprint(records) != "[0 1 2 3]" || voids != 6 || heads[4] != head {
		t.Errorf("the chain is %v with %d voids, its head %+v; %+v was appended", records, voids, heads[4], head)
	}
	for slot := uint64(1); slot <= 10; slot++ {
		if last, err := readUntil(t, again, slot); err != nil || last != 10 {
			t.Errorf("Read from slot %d: up to %d, %v", slot, last, err)
		}
	}
	if _, err := again.Append(t.Context(), head, link(head, "4")); err != nil {
		t.Errorf("Append behind proofs: %v", err)
	}
}

// TestLateProofOfTheEmptyLog: a proof that was held back until there were
// records, and has lost its header, is a void too.
func TestLateProofOfTheEmptyLog(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	other := open(t, o)
	var held atomic.Pointer[frame]
	p.treat(func(f *frame) []*frame {
		if f.publishes() {
			held.Store(f)
			return nil
		}
		return []*frame{f}
	}, nil)
	o.URL, o.Conn, o.AckWait, o.Timeout = "", p.dial(t), 20*time.Millisecond, 100*time.Millisecond
	paused := open(t, o)
	if err := paused.Confirm(t.Context(), journal.Head{}); err == nil || errors.Is(err, journal.ErrLost) {
		t.Fatalf("Confirm whose message is held back: %v", err)
	}
	first, err := other.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	if err != nil {
		t.Fatal(err)
	}
	p.treat(nil, nil)
	if err := p.release(stripped(held.Load())); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Append(t.Context(), first, link(first, "second")); err != nil {
		t.Fatal(err)
	}
	if records, _, voids := chain(t, other); fmt.Sprint(records) != "[first second]" || voids != 1 {
		t.Errorf("the chain is %v with %d voids", records, voids)
	}
}

// TestProofsAreShared: calls that wait at the same time share a proof, and a
// call that came later does not believe an older one.
func TestProofsAreShared(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	o.URL, o.Conn = "", p.dial(t)
	l := open(t, o)
	head, err := l.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	if err != nil {
		t.Fatal(err)
	}
	var proofs atomic.Int64
	first, goOn := make(chan struct{}), make(chan struct{})
	p.treat(func(f *frame) []*frame {
		if f.publishes() && proofs.Add(1) == 1 {
			close(first)
			<-goOn
		}
		return []*frame{f}
	}, nil)
	var waiting sync.WaitGroup
	confirm := func() {
		if err := l.Confirm(t.Context(), head); err != nil {
			t.Errorf("Confirm: %v", err)
		}
	}
	waiting.Go(confirm)
	select {
	case <-first:
	case <-time.After(10 * time.Second):
		t.Fatal("Confirm sends no proof")
	}
	const late = 20
	for range late { // they come after the first proof began: it is none of theirs
		waiting.Go(confirm)
	}
	close(goOn)
	waiting.Wait()
	if n := proofs.Load(); n < 2 || n > late {
		t.Errorf("%d calls were served by %d proofs, the first of which began before all but one of them", late+1, n)
	}
	before := proofs.Load()
	confirm()
	if proofs.Load() != before+1 {
		t.Error("a call that came after all proofs had none of its own")
	}
}

// TestConfirmNeedsAMajority: a leader whose followers are paused still answers
// what it knows. That is no proof (L8).
func TestConfirmNeedsAMajority(t *testing.T) {
	c := newCluster(t, 3).asChildren(t)
	o := c.options()
	made := open(t, o)
	head, err := made.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	if err != nil {
		t.Fatal(err)
	}
	leader := c.leader(t, o)
	o.URL, o.AckWait, o.Timeout = leader.url(), 100*time.Millisecond, 500*time.Millisecond
	l := open(t, o)
	eventually(t, "Confirm with followers", func(ctx context.Context) error { return l.Confirm(ctx, head) })
	for _, n := range c.nodes {
		if n != leader {
			if err := n.child.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			defer n.child.Signal(syscall.SIGCONT) //nolint:errcheck // it is killed next
		}
	}
	last, err := readUntil(t, l, 1)
	if err != nil || last < 1 {
		t.Errorf("the leader alone reads up to slot %d, %v: it was to answer", last, err)
	}
	if err := l.Confirm(t.Context(), head); err == nil || errors.Is(err, journal.ErrLost) {
		t.Errorf("Confirm by a leader without followers: %v, want neither nil nor ErrLost", err)
	}
	// The leader counts the proof that it could not commit, and refuses the record.
	if _, err := l.Append(t.Context(), head, link(head, "second")); !errors.Is(err, journal.ErrUnknown) && !errors.Is(err, journal.ErrFailed) {
		t.Errorf("Append by a leader without followers: %v, want ErrUnknown or ErrFailed", err)
	}
}

// TestNews: the servers tell a wait of what they store; one that hears nothing looks by
// itself.
func TestNews(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	writer := open(t, o)
	var silent atomic.Bool
	var unheard atomic.Int64
	looked := make(chan struct{}, 100)
	p.treat(nil, func(f *frame) []*frame {
		if bytes.Contains(f.body, []byte("stream_info_response")) {
			looked <- struct{}{}
		}
		if f.op == "HMSG" && silent.Load() {
			unheard.Add(1)
			return nil
		}
		return []*frame{f}
	})
	o.URL, o.Conn = "", p.dial(t)
	l := open(t, o)
	head := journal.Head{}
	// wait appends n records, and waits for each.
	wait := func(n int) time.Duration {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		for range n {
			for len(looked) > 0 {
				<-looked
			}
			waited := make(chan error, 1)
			go func() { waited <- l.Wait(ctx, head.Slot+1) }()
			<-looked // and it was not there
			next, err := writer.Append(ctx, head, link(head, "r"))
			if err != nil {
				t.Fatal(err)
			}
			if err := <-waited; err != nil {
				t.Fatalf("Wait: %v", err)
			}
			head = next
		}
		return time.Since(began)
	}
	// One look of its own takes a second.
	if took := wait(20); took > 15*jetstream.Poll {
		t.Errorf("20 waits took %v: nobody tells of what is stored", took)
	}
	silent.Store(true)
	wait(1)
	if unheard.Load() == 0 {
		t.Error("there was no news to keep from it")
	}
}

// TestNoProof: an acknowledgement of a copy, of another stream, or of another
// sequence is none; what the stream holds is.
func TestNoProof(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	for name, forged := range map[string]string{
		"duplicate":        `{"stream":"%s","seq":2,"duplicate":true}`,
		"another stream":   `{"stream":"mainstem-x","seq":2}`,
		"another sequence": `{"stream":"%s","seq":1}`,
		"no sequence":      `{"stream":"%s"}`,
		"no JSON":          `{"stream":"mainstem-`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, c.nodes[0])
			o := c.options()
			o.URL, o.Conn, o.AckWait = "", p.dial(t), 50*time.Millisecond
			l := open(t, o)
			head, err := l.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
			if err != nil {
				t.Fatal(err)
			}
			// The message goes to nobody, and its answer to the next request is forged.
			var swallowed atomic.Bool
			p.treat(func(f *frame) []*frame {
				if f.publishes() && swallowed.CompareAndSwap(false, true) {
					f = forge(f, strings.Replace(forged, "%s", streamOf(o), 1))
				}
				return []*frame{f}
			}, nil)
			next, err := l.Append(t.Context(), head, link(head, "second"))
			records, _, _ := chain(t, open(t, c.again(o)))
			if name == "another sequence" {
				if !errors.Is(err, journal.ErrUnknown) || !errors.Is(err, journal.ErrCorrupt) {
					t.Errorf("Append that was acknowledged where something else stands: %v, want ErrUnknown and ErrCorrupt", err)
				}
				return
			}
			if err != nil || next.Slot != 2 || fmt.Sprint(records) != "[first second]" {
				t.Errorf("Append: %+v, %v; the chain is %v", next, err, records)
			}
			if !swallowed.Load() {
				t.Error("nothing was forged")
			}
		})
	}
}

// TestNoProofOfTheTail: a proof that is acknowledged where something stood
// before is none: the stream has lost what it had (L8).
func TestNoProofOfTheTail(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	o.URL, o.Conn = "", p.dial(t)
	l := open(t, o)
	head, err := l.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	if err != nil {
		t.Fatal(err)
	}
	p.treat(func(f *frame) []*frame {
		if f.publishes() {
			f = forge(f, fmt.Sprintf(`{"stream":"%s","seq":1}`, streamOf(o)))
		}
		return []*frame{f}
	}, nil)
	if err := l.Confirm(t.Context(), head); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("Confirm that was acknowledged where the first record stands: %v, want ErrCorrupt", err)
	}
}

// forge is an answer to a message that goes to nobody.
func forge(f *frame, body string) *frame {
	_, reply, _ := strings.Cut(f.names, " ")
	return &frame{op: "PUB", names: reply, body: []byte(body)}
}

// leader finds the server that leads a log's stream.
func (c *cluster) leader(t *testing.T, o jetstream.Options) (leads *node) {
	t.Helper()
	eventually(t, "no leader is known", func(context.Context) error {
		name, err := c.leaderName(t, o)
		for _, n := range c.nodes {
			if n.Name == name {
				leads = n
			}
		}
		if leads == nil {
			return fmt.Errorf("leader %q: %w", name, err)
		}
		return nil
	})
	return leads
}

func (c *cluster) leaderName(t *testing.T, o jetstream.Options) (string, error) {
	s, err := c.admin(t).Stream(t.Context(), streamOf(o))
	if err != nil {
		return "", err
	}
	return s.CachedInfo().Cluster.Leader, nil
}
