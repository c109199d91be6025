package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/journal"
)

// seed is random, or MAINSTEM_SEED.
func seed(t *testing.T) *rand.Rand {
	n := rand.Uint64()
	if s := os.Getenv("MAINSTEM_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MAINSTEM_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 1))
}

// TestConformanceOnABadNetwork runs the suite through a proxy that delays,
// drops, repeats, reorders and cuts.
func TestConformanceOnABadNetwork(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	random, mu, seen := seed(t), sync.Mutex{}, 0
	var held []*frame
	var drops, copies, holds, cuts, delays int
	bad := func(f *frame) []*frame {
		mu.Lock()
		defer mu.Unlock()
		out := append(held, f)
		held = nil
		if seen++; seen%1000 == 0 {
			cuts++
			go p.cut()
		}
		switch n := random.IntN(4000); {
		case n < 8:
			drops++
			return out[:len(out)-1]
		case n < 300 && f.publishes():
			copies++
			return append(out, f)
		case n < 500 && f.publishes():
			holds++
			held = []*frame{f}
			return out[:len(out)-1]
		case n < 600:
			delays++
			select {
			case <-time.After(time.Duration(random.IntN(3)) * time.Millisecond):
			case <-t.Context().Done():
			}
		}
		return out
	}
	p.treat(bad, func(f *frame) []*frame {
		mu.Lock()
		defer mu.Unlock()
		if f.acknowledges() && random.IntN(100) == 0 {
			drops++
			return nil
		}
		return []*frame{f}
	})
	conform(t, func() jetstream.Options {
		o := c.options()
		o.URL, o.Conn, o.AckWait = "", p.dial(t), 50*time.Millisecond
		return o
	})
	mu.Lock()
	defer mu.Unlock()
	t.Logf("dropped %d, repeated %d, held %d, delayed %d, cut %d times", drops, copies, holds, delays, cuts)
	if drops == 0 || copies == 0 || holds == 0 || cuts == 0 || delays == 0 {
		t.Error("the network was not bad")
	}
}

// chain reads the log as its readers do (L2): the records of the chain, and
// how many voids lie between. Records are told by journal.Sum; who follows
// whom is what link says.
func chain(t *testing.T, l journal.Log) (records []string, heads []journal.Head, voids int) {
	t.Helper()
	heads = []journal.Head{{}}
	for e, err := range l.Read(t.Context(), 1) {
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		if e.Slot != uint64(len(records)+voids+1) {
			t.Fatalf("slot %d comes where %d was due (L2)", e.Slot, len(records)+voids+1)
		}
		index, prev, body := unlink(t, e.Record)
		tail := heads[len(heads)-1]
		switch {
		case index == tail.Index+1 && prev == tail.Hash:
			records = append(records, body)
			heads = append(heads, journal.Head{Index: index, Hash: journal.Sum(e.Record), Slot: e.Slot})
		case index <= tail.Index && heads[index-1].Hash == prev:
			voids++
		default:
			t.Fatalf("slot %d names index %d (%v), the chain is at %d (%v): a fork (L2)", e.Slot, index-1, prev, tail.Index, tail.Hash)
		}
	}
	return records, heads, voids
}

// link is a record that names its predecessor, as those of Mainstem do.
func link(after journal.Head, body string) []byte {
	return fmt.Appendf(nil, "%d %x %s", after.Index+1, after.Hash[:], body)
}

func unlink(t *testing.T, record []byte) (index uint64, prev journal.Hash, body string) {
	t.Helper()
	var hash []byte
	if _, err := fmt.Sscanf(string(record), "%d %x %s", &index, &hash, &body); err != nil || len(hash) != len(prev) || index == 0 {
		t.Fatalf("a record that nobody wrote: %q (%v)", record, err)
	}
	return index, journal.Hash(hash), body
}

// stripped is the same message without what the server compares.
func stripped(f *frame) *frame {
	g := *f
	g.header = []byte("NATS/1.0\r\nX: y\r\n\r\n")
	return &g
}

// TestHeldPublish: a publish that is held back, and let go after another has
// succeeded, is refused by the server; without its header it is a void (L2).
func TestHeldPublish(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	for name, one := range map[string]struct {
		late  func(*frame) *frame
		voids int
	}{
		"as it was":          {func(f *frame) *frame { return f }, 0},
		"without its header": {stripped, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, c.nodes[0])
			o := c.options()
			other := open(t, o)
			first, err := other.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
			if err != nil {
				t.Fatal(err)
			}
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
			if _, err := paused.Append(t.Context(), first, link(first, "held")); !errors.Is(err, journal.ErrUnknown) {
				t.Fatalf("Append whose message was held back: %v, want ErrUnknown (L11)", err)
			}
			second, err := other.Append(t.Context(), first, link(first, "second"))
			if err != nil {
				t.Fatal(err)
			}
			p.treat(nil, nil)
			if err := p.release(one.late(held.Load())); err != nil {
				t.Fatal(err)
			}
			again := open(t, c.again(o))
			if _, err := again.Append(t.Context(), first, link(first, "held")); !errors.Is(err, journal.ErrLost) {
				t.Errorf("the same Append again: %v, want ErrLost", err)
			}
			if err := again.Confirm(t.Context(), first); !errors.Is(err, journal.ErrLost) {
				t.Errorf("Confirm of what has a successor: %v, want ErrLost (L8)", err)
			}
			if _, err := other.Append(t.Context(), second, link(second, "third")); err != nil {
				t.Errorf("Append after a void: %v", err)
			}
			if records, _, voids := chain(t, other); fmt.Sprint(records) != "[first second third]" || voids != one.voids {
				t.Errorf("the chain is %v, with %d voids, want %d", records, voids, one.voids)
			}
		})
	}
}

// TestOnlyTheChainProtects: the server compares nothing, since the header is
// taken off on the way. Of several writers each record has one successor (L2).
func TestOnlyTheChainProtects(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	p.treat(func(f *frame) []*frame {
		if f.publishes() {
			f = stripped(f)
		}
		return []*frame{f}
	}, nil)
	o := c.options()
	const writers, each = 3, 40
	var running sync.WaitGroup
	acked, lost := make(chan string, writers*each), atomic.Int64{}
	for w := range writers {
		o.URL, o.Conn = "", p.dial(t)
		l := open(t, o)
		running.Go(func() {
			head := journal.Head{}
			for n := range each {
				var err error
				if head, err = tailOf(t.Context(), l, head); err != nil {
					t.Errorf("Read: %v", err)
				}
				body := fmt.Sprintf("%d-%d", w, n)
				_, err = l.Append(t.Context(), head, link(head, body))
				switch {
				case err == nil:
					acked <- body
				case errors.Is(err, journal.ErrLost):
					lost.Add(1)
				default:
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	running.Wait()
	close(acked)
	l := open(t, o)
	records, heads, voids := chain(t, l)
	count := map[string]int{}
	for _, r := range records {
		count[r]++
	}
	n := 0
	for body := range acked {
		if n++; count[body] != 1 {
			t.Errorf("%s was acknowledged, and is in the chain %d times", body, count[body])
		}
	}
	if n != len(records) {
		t.Errorf("%d records were acknowledged, the chain has %d (L2)", n, len(records))
	}
	t.Logf("%d acknowledged, %d lost, %d voids", n, lost.Load(), voids)
	if voids == 0 || int64(voids) != lost.Load() {
		t.Errorf("%d records were lost and %d are voids: the header was not taken off", lost.Load(), voids)
	}
	for i := range heads {
		if err := l.Confirm(t.Context(), heads[i]); (err == nil) != (i == len(heads)-1) {
			t.Errorf("Confirm of index %d of %d: %v (L8)", i, len(heads)-1, err)
		}
	}
}

// TestNothingIsSentLater: what is appended while disconnected is a failure, and
// is not sent once the connection is back.
func TestNothingIsSentLater(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	head, err := open(t, o).Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	if err != nil {
		t.Fatal(err)
	}
	o.URL, o.Conn, o.AckWait, o.Timeout = "", p.dial(t), 20*time.Millisecond, 200*time.Millisecond
	l := open(t, o)
	// It knows where it stands, and publishes without reading first.
	eventually(t, "Confirm", func(ctx context.Context) error { return l.Confirm(ctx, head) })
	p.disconnect(true)
	eventually(t, "the connection notices nothing", func(context.Context) error {
		if o.Conn.IsConnected() {
			return errors.New("it is connected")
		}
		return nil
	})
	if _, err := l.Append(t.Context(), head, link(head, "later")); !errors.Is(err, journal.ErrFailed) {
		t.Fatalf("Append while disconnected: %v, want ErrFailed", err)
	}
	p.disconnect(false)
	eventually(t, "Confirm after the connection is back", func(ctx context.Context) error { return l.Confirm(ctx, head) })
	if records, _, _ := chain(t, l); fmt.Sprint(records) != "[first]" {
		t.Errorf("the chain is %v: what failed was sent later", records)
	}
}

// TestOwnRecordInTheWay: the first copy arrives late, just before the second,
// which the server refuses for it. What is in the way is told by its hash.
func TestOwnRecordInTheWay(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	o.URL, o.Conn, o.AckWait = "", p.dial(t), 50*time.Millisecond
	l := open(t, o)
	var copies []*frame
	p.treat(func(f *frame) []*frame {
		if !f.publishes() {
			return []*frame{f}
		}
		if copies = append(copies, f); len(copies) == 1 {
			return nil
		}
		return copies
	}, nil)
	head, err := l.Append(t.Context(), journal.Head{}, link(journal.Head{}, "first"))
	if err != nil || head.Slot != 1 {
		t.Errorf("Append: %+v, %v, want slot 1", head, err)
	}
	if records, _, voids := chain(t, l); fmt.Sprint(records) != "[first]" || voids != 0 {
		t.Errorf("the chain is %v with %d voids", records, voids)
	}
}

// again are the options of the same log, straight to the server.
func (c *cluster) again(o jetstream.Options) jetstream.Options {
	o.URL, o.Conn, o.AckWait, o.Timeout = c.nodes[0].url(), nil, 0, 0
	return o
}

// TestLostAcknowledgement: the record is there, its answer is lost: the append
// ends well, and the record is there once.
func TestLostAcknowledgement(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	p := newProxy(t, c.nodes[0])
	o := c.options()
	o.URL, o.Conn, o.AckWait = "", p.dial(t), 30*time.Millisecond
	l := open(t, o)
	var lost atomic.Int64
	p.treat(nil, func(f *frame) []*frame {
		if f.acknowledges() && lost.Add(1)%2 == 1 {
			return nil
		}
		return []*frame{f}
	})
	head := journal.Head{}
	for i := range 6 {
		var err error
		if head, err = l.Append(t.Context(), head, link(head, strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if records, _, voids := chain(t, l); fmt.Sprint(records) != "[0 1 2 3 4 5]" || voids != 0 || lost.Load() == 0 {
		t.Errorf("the chain is %v, with %d voids, and %d acknowledgements were seen", records, voids, lost.Load())
	}
}
