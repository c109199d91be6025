package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
)

// history is what writers were told of their records.
type history struct {
	mu      sync.Mutex
	told    map[string]string // by record: acked, lost, unknown or failed
	slots   map[string]uint64 // of those that were acknowledged
	acked   atomic.Int64
	unknown atomic.Int64
	last    [3]string // what each writer was told last, and where it stands
}

func (h *history) tell(body string, head journal.Head, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.told[body], h.slots[body] = "acked", head.Slot
		h.acked.Add(1)
	case errors.Is(err, journal.ErrLost):
		h.told[body] = "lost"
	case errors.Is(err, journal.ErrUnknown):
		h.told[body] = "unknown"
		h.unknown.Add(1)
	case errors.Is(err, journal.ErrFailed):
		h.told[body] = "failed"
	default:
		h.told[body] = err.Error()
	}
}

// write appends records behind what it reads, until stop.
func (h *history) write(t *testing.T, l *jetstream.Log, w int, stop <-chan struct{}) {
	name, tail := fmt.Sprintf("w%d", w), journal.Head{}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		head, err := tailOf(t.Context(), l, tail)
		if tail = head; err != nil {
			h.stands(w, head, err)
			continue // nobody leads just now
		}
		body := fmt.Sprintf("%s-%d", name, n)
		for err == nil { // until something is in the way
			var next journal.Head
			next, err = l.Append(t.Context(), head, link(head, body))
			h.tell(body, next, err)
			h.stands(w, head, err)
			if head = next; err == nil {
				tail = next
			}
			n++
			body = fmt.Sprintf("%s-%d", name, n)
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}

// stands notes where a writer is, for who asks why it does not get on.
func (h *history) stands(w int, head journal.Head, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[w] = fmt.Sprintf("at index %d: %v", head.Index, err)
}

// tailOf follows the chain to its end.
func tailOf(ctx context.Context, l journal.Log, head journal.Head) (journal.Head, error) {
	for e, err := range l.Read(ctx, head.Slot+1) {
		if err != nil {
			return head, err
		}
		if strings.HasPrefix(string(e.Record), fmt.Sprintf("%d %x ", head.Index+1, head.Hash[:])) {
			head = journal.Head{Index: head.Index + 1, Hash: journal.Sum(e.Record), Slot: e.Slot}
		}
	}
	return head, nil
}

// judge holds the log against what the writers were told.
func (h *history) judge(t *testing.T, l journal.Log) {
	t.Helper()
	records, heads, voids := chain(t, l)
	times := map[string]int{}
	for i, r := range records {
		times[r]++
		if slot, ok := h.slots[r]; ok && slot != heads[i+1].Slot {
			t.Errorf("%s is in slot %d, its writer was told %d", r, heads[i+1].Slot, slot)
		}
		if _, ok := h.told[r]; !ok {
			t.Errorf("nobody wrote %s", r)
		}
	}
	count := map[string]int{}
	for body, told := range h.told {
		count[told]++
		n := times[body]
		if told == "acked" && n != 1 || told == "unknown" && n > 1 || (told == "lost" || told == "failed") && n != 0 {
			t.Errorf("%s: its writer was told %s, and the chain has it %d times (L2, L11)", body, told, n)
		}
	}
	t.Logf("%v, %d records in the chain, %d voids", count, len(records), voids)
	if known := count["acked"] + count["lost"] + count["unknown"] + count["failed"]; known != len(h.told) {
		t.Errorf("an append ended in none of the outcomes: %v", count)
	}
}

// crowd is three writers of one log. One is impatient, so that there are unknown outcomes.
type crowd struct {
	*history
	most    time.Duration // that anything may take
	stop    chan struct{}
	running sync.WaitGroup
}

func writing(t *testing.T, o jetstream.Options) *crowd {
	t.Helper()
	w := &crowd{most: 30 * time.Second, history: &history{told: map[string]string{}, slots: map[string]uint64{}}, stop: make(chan struct{})}
	for i := range 3 {
		if i == 2 {
			o.AckWait, o.Timeout = 20*time.Millisecond, 150*time.Millisecond
		}
		l := open(t, o)
		w.running.Go(func() { w.write(t, l, i, w.stop) })
	}
	return w
}

// progress waits until more is acknowledged, to whichever writer.
func (w *crowd) progress(t *testing.T, what string) {
	t.Helper()
	const more = 50
	acked, began := w.acked.Load(), time.Now()
	atLast(t, w.most, "no append is acknowledged after "+what, func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := w.acked.Load() - acked; n < more {
			return fmt.Errorf("%d are; the writers stand %q", n, w.last)
		}
		return nil
	})
	t.Logf("%s: %d more are acknowledged after %v", what, more, time.Since(began).Round(time.Millisecond))
}

// end stops the writers and judges what they were told.
func (w *crowd) end(t *testing.T, o jetstream.Options) {
	t.Helper()
	close(w.stop)
	w.running.Wait()
	// A leader that was replaced may still answer, with less: it is the proof that tells.
	var l *jetstream.Log
	atLast(t, w.most, "the end of the log is not proven", func(context.Context) (err error) {
		if l == nil {
			if l, err = jetstream.Open(t.Context(), o); err != nil {
				return err
			}
		}
		head, err := tailOf(t.Context(), l, journal.Head{})
		if err != nil {
			return err
		}
		return l.Confirm(t.Context(), head)
	})
	w.judge(t, l)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestLeadersChange steps the leader down, pauses it and kills it, while three
// writers append. Nothing acknowledged is lost, nothing refused is there, and
// what is unknown is there at most once.
func TestLeadersChange(t *testing.T) {
	t.Parallel() // most of it is waiting for elections
	c := newCluster(t, 3).asChildren(t)
	o := c.options()
	o.URL = c.urls()
	w := writing(t, o)
	w.progress(t, "the start")
	for range 2 {
		c.stepDown(t, o)
		w.progress(t, "a step-down")
	}
	paused := c.leader(t, o)
	if err := paused.child.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.progress(t, "a paused leader")
	if err := paused.child.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.progress(t, "its return")
	killed := c.leader(t, o)
	if err := killed.child.End(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.progress(t, "a killed leader")
	c.spawn(t, killed)
	t.Cleanup(func() { _ = killed.child.End(syscall.SIGKILL) })
	w.progress(t, "its new start")
	w.end(t, o)
	if w.unknown.Load() == 0 {
		t.Error("no outcome was unknown: nothing went wrong")
	}
}

// stepDown asks the leader of a log's stream to let another lead.
func (c *cluster) stepDown(t *testing.T, o jetstream.Options) {
	t.Helper()
	eventually(t, "the leader does not step down", func(ctx context.Context) error {
		conn, err := nats.Connect(o.URL)
		if err != nil {
			return err
		}
		defer conn.Close()
		answer, err := conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+streamOf(o), nil)
		if err == nil && !strings.Contains(string(answer.Data), `"success":true`) {
			err = fmt.Errorf("it answers %s", answer.Data)
		}
		return err
	})
}
