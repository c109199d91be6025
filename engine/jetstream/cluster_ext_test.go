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
func (h *history) write(t *testing.T, l *jetstream.Log, name string, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		head, err := tailOf(t.Context(), l, journal.Head{})
		if err != nil {
			continue // nobody leads just now
		}
		body := fmt.Sprintf("%s-%d", name, n)
		for err == nil { // until something is in the way
			var next journal.Head
			next, err = l.Append(t.Context(), head, link(head, body))
			h.tell(body, next, err)
			head = next
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

// TestLeadersChange steps the leader down, pauses it and kills it, while three
// writers append. Nothing acknowledged is lost, nothing refused is there, and
// what is unknown is there at most once.
func TestLeadersChange(t *testing.T) {
	t.Parallel() // most of it is waiting for elections
	c := newCluster(t, 3).asChildren(t)
	o := c.options()
	o.URL = c.urls()
	h := &history{told: map[string]string{}, slots: map[string]uint64{}}
	stop, running := make(chan struct{}), sync.WaitGroup{}
	for w := range 3 {
		if w == 2 { // one is impatient, so that there are unknown outcomes
			o.AckWait, o.Timeout = 20*time.Millisecond, 150*time.Millisecond
		}
		l := open(t, o)
		running.Go(func() { h.write(t, l, fmt.Sprintf("w%d", w), stop) })
	}
	o.AckWait, o.Timeout = 0, 0
	progress := func(what string) {
		t.Helper()
		from, began := h.acked.Load(), time.Now()
		eventually(t, "no append is acknowledged after "+what, func(context.Context) error {
			if h.acked.Load() < from+50 {
				return fmt.Errorf("%d are", h.acked.Load()-from)
			}
			return nil
		})
		t.Logf("%s: 50 more are acknowledged after %v", what, time.Since(began).Round(time.Millisecond))
	}
	progress("the start")
	for range 2 {
		c.stepDown(t, o)
		progress("a step-down")
	}
	paused := c.leader(t, o)
	if err := paused.child.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	progress("a paused leader")
	if err := paused.child.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	progress("its return")
	killed := c.leader(t, o)
	if err := killed.child.End(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	progress("a killed leader")
	c.spawn(t, killed)
	t.Cleanup(func() { _ = killed.child.End(syscall.SIGKILL) })
	progress("its new start")
	close(stop)
	running.Wait()
	h.judge(t, open(t, o))
	if h.unknown.Load() == 0 {
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
