package server

import (
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// TestTurns: what one stream wants at once waits for itself. Another that comes after
// it is next, and both are served in turns, each in its order. One that wants one thing
// only does not stand in line with those.
func TestTurns(t *testing.T) {
	p := newPool()
	var ran []string
	ask := func(s *share, name string) bool {
		return p.turns.begin(t.Context(), s, func(bool) { ran = append(ran, name) }, p.window())
	}
	greedy, late, little := p.open(), p.open(), p.open()
	greedy.taken.Store(2000)
	late.taken.Store(2)
	for range leastWindow {
		if !ask(greedy, "") {
			t.Fatal("the database has less than it may have, and somebody waits")
		}
	}
	var want []string
	for i := range quantum + 2 {
		name := "greedy " + strconv.Itoa(i)
		if ask(greedy, name) {
			t.Fatal("the database has more than it may have")
		}
		want = append(want, name)
	}
	for i := range 2 {
		ask(late, "late "+strconv.Itoa(i))
	}
	little.taken.Store(1)
	ask(little, "little")
	if p.turns.next(leastWindow-1) != nil {
		t.Error("the database may have one less, and gets another for that which has ended")
	}
	for do := p.turns.next(leastWindow); do != nil; do = p.turns.next(leastWindow) {
		do(true)
	}
	want = slices.Concat([]string{"little"}, want[:quantum], []string{"late 0", "late 1"}, want[quantum:])
	if !slices.Equal(ran, want) {
		t.Errorf("they ran as %q, want %q", ran, want)
	}
	if ask(late, "") != true {
		t.Error("one has ended, and nobody else waits: it does not run")
	}
}

// TestTurnOfNobody: who has no time left is told so by the database at once, however
// many stand before, and once; the others keep their order, and no line is left behind.
func TestTurnOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		streams := []*share{p.open(), p.open(), p.open()}
		var mu sync.Mutex
		var ran []string
		ask := func(ctx context.Context, s *share, name string) {
			do := func(inTime bool) {
				if inTime != (name == "first") {
					t.Errorf("%q runs in time: %t", name, inTime)
				}
				mu.Lock()
				defer mu.Unlock()
				ran = append(ran, name)
			}
			if p.turns.begin(ctx, s, do, 1) != (name == "runs") {
				t.Fatalf("%q is to wait, or to run, and does not", name)
			}
		}
		// took is what ran since it was asked before, in some order.
		took := func() (names []string) {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			names, ran = ran, nil
			slices.Sort(names)
			return names
		}
		first, second, little := streams[0], streams[1], streams[2]
		first.taken.Store(4)
		second.taken.Store(2)
		little.taken.Store(1)
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ask(t.Context(), first, "runs")
		ask(soon, first, "first in vain")
		ask(t.Context(), first, "first")
		ask(soon, second, "second in vain")
		ask(soon, little, "little in vain")
		ended, end := context.WithCancel(t.Context())
		end()
		ask(ended, second, "ended")
		if names := took(); !slices.Equal(names, []string{"ended"}) {
			t.Errorf("before a second has passed there ran %q", names)
		}
		<-time.After(time.Second)
		if names, want := took(), []string{"first in vain", "little in vain", "second in vain"}; !slices.Equal(names, want) {
			t.Errorf("after a second there ran %q, want %q", names, want)
		}
		if len(p.turns.ring) != 1 || p.turns.single.Len() != 0 {
			t.Errorf("%d streams and %d others stand in line, want the first alone", len(p.turns.ring), p.turns.single.Len())
		}
		for do := p.turns.next(1); do != nil; do = p.turns.next(1) {
			do(true)
		}
		if names := took(); !slices.Equal(names, []string{"first"}) || p.turns.running != 0 {
			t.Errorf("then there ran %q, and %d are said to run", names, p.turns.running)
		}
	})
}

// patient ends a transaction when its time is over, as a database does that waits for
// its log.
type patient struct{ mainstem.Backend }

func (patient) Commit(ctx context.Context, _ *mainstem.Transaction) (*mainstem.Receipt, error) {
	<-ctx.Done()
	return nil, mainstem.Errorf(mainstem.Undecided, "its time is over")
}

// TestLittleTime: who has a second is answered after it, behind as many as the database
// may have that have an hour.
func TestLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(patient{})
		answered := make(chan int, 2*leastWindow)
		d := &desk{server: s, backend: s.backend, under: s.commits.open(), send: func(m *pb.SubmitResponse) { answered <- len(m.GetOutcomes()) }}
		s.commits.most.Store(LimitCommits)
		long := make([]*pb.Submission, leastWindow)
		for i := range long {
			long[i] = &pb.Submission{Number: uint64(i), Timeout: int64(time.Hour), Transaction: &pb.Transaction{Group: "g", Id: strconv.Itoa(i)}}
		}
		if refused, _ := d.begin(t.Context(), long); refused != 0 {
			t.Fatalf("%d are refused", refused)
		}
		began := time.Now()
		d.begin(t.Context(), []*pb.Submission{{Timeout: int64(time.Second), Transaction: &pb.Transaction{Group: "g", Id: "little"}}})
		if n := <-answered; n != 1 || time.Since(began) != time.Second {
			t.Errorf("%d are answered after %s, want the one after its second", n, time.Since(began))
		}
		d.close()
	})
}

// TestWindow: the database has an eighth of what is let in, and a good number always.
func TestWindow(t *testing.T) {
	for taken, want := range map[int64]int{0: leastWindow, 8 * leastWindow: leastWindow, 8*leastWindow + 8: leastWindow + 1, LimitCommits: LimitCommits / 8} {
		p := newPool()
		p.taken.Store(taken)
		if n := p.window(); n != want {
			t.Errorf("of %d that are let in the database has %d, want %d", taken, n, want)
		}
	}
}

// TestRest: who sends again what was refused as a whole is read less, the less the
// more there are of that kind; who is taken a part of is read as always.
func TestRest(t *testing.T) {
	p := newPool()
	one, other := p.open(), p.open()
	for _, c := range []struct {
		of           *share
		refused, all int
		want         time.Duration
	}{
		{one, 0, 0, 0},
		{one, 0, 10, 0},
		{one, 9, 10, 0},
		{one, 10, 10, restMessage + 10*restEach},
		{one, 1, 1, restMessage + restEach},
		{other, 1, 1, 2 * (restMessage + restEach)},
		{one, 1000, 1000, 2 * (restMessage + 1000*restEach)},
		{one, 1_000_000, 1_000_000, restMost},
		{one, 0, 1, 0},
		{other, 1, 1, restMessage + restEach},
	} {
		if d := c.of.rest(c.refused, c.all); d != c.want {
			t.Errorf("of %d transactions %d were refused, and the stream rests for %s, want %s", c.all, c.refused, d, c.want)
		}
	}
	one.close()
	other.close()
	if n := p.stubborn.Load(); n != 0 {
		t.Errorf("%d streams are counted that have ended", n)
	}
}

// wildStream sends as many transactions again as were answered, five milliseconds after.
type wildStream struct {
	number  uint64
	answers chan int
	read    *atomic.Int64 // messages
}

func (w *wildStream) hear(m *pb.SubmitResponse) { w.answers <- len(m.GetOutcomes()) }

func (w *wildStream) next(ctx context.Context) (*pb.SubmitRequest, error) {
	m := &pb.SubmitRequest{}
	select {
	case <-ctx.Done():
		return nil, io.EOF
	case n := <-w.answers:
		<-time.After(5 * time.Millisecond) // in a bubble
		for range n {
			w.number++
			m.Submissions = append(m.Submissions, &pb.Submission{Number: w.number, Transaction: &pb.Transaction{Group: "w", Id: strconv.FormatUint(w.number, 10)}})
		}
	}
	w.read.Add(1)
	return m, nil
}

// TestStorm: beside a thousand streams that want sixteen transactions each at any
// time, sixteen that want one get nearly the same as each of those, and the refusals of
// a second are no more messages than a server has milliseconds for.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity, wilds, polite, each = 20_000, 1000, 16, 16
		s := New(&paced{each: time.Second / capacity})
		ctx, calm := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var read, served atomic.Int64
		for range wilds {
			w := &wildStream{answers: make(chan int, each), read: &read}
			w.answers <- each
			all.Go(func() {
				d := &desk{server: s, backend: s.backend, under: s.commits.open(), send: w.hear}
				if err := d.receive(ctx, func() (*pb.SubmitRequest, error) { return w.next(ctx) }); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				d.close()
				d.under.close()
			})
		}
		for i := range polite {
			heard := make(chan mainstem.Code, 1)
			d := &desk{server: s, backend: s.backend, under: s.commits.open(), send: func(m *pb.SubmitResponse) { heard <- outcomeOf(m.GetOutcomes()[0]) }}
			all.Go(func() {
				for n := uint64(1); ctx.Err() == nil; n++ {
					d.begin(ctx, []*pb.Submission{{Number: n, Transaction: &pb.Transaction{Group: "p" + strconv.Itoa(i), Id: strconv.FormatUint(n, 10)}}})
					if <-heard == 0 {
						served.Add(1)
					} else {
						<-time.After(10 * time.Millisecond) // polite
					}
				}
				d.close()
				d.under.close()
			})
		}
		count := func() (done, refused int64) {
			ended := s.counted[CallTransaction].ended
			return int64(ended[0].Load()), int64(ended[mainstem.Overloaded].Load())
		}
		time.Sleep(3 * time.Second) // what was let in before it was noticed
		served.Store(0)
		done, refused := count()
		const seconds = 2
		time.Sleep(seconds * time.Second)
		lateDone, lateRefused := count()
		done, refused = (lateDone-done)/seconds, (lateRefused-refused)/seconds
		fair := int64(capacity * polite / (wilds + polite))
		t.Logf("in a second %d of %d are done, %d refused; the polite ones get %d, of %d", done, capacity, refused, served.Load()/seconds, fair)
		if done < capacity*9/10 || refused > each*int64(time.Second/restMessage) {
			t.Errorf("%d of %d are done in a second, and %d refused", done, capacity, refused)
		}
		if n := served.Load() / seconds; n < fair*3/4 {
			t.Errorf("sixteen that want little get %d in a second; an equal part is %d", n, fair)
		}
		calm()
		all.Wait()
	})
}

// TestRefusalsCostLittle: on a server that is full a transaction costs no more objects
// than the answer to it has.
func TestRefusalsCostLittle(t *testing.T) {
	s := New(quick{})
	d := &desk{server: s, backend: s.backend, under: s.commits.open(), send: func(*pb.SubmitResponse) {}}
	d.under.take()
	s.commits.taken.Store(LimitCommits)
	const n = 1000
	m := make([]*pb.Submission, n)
	for i := range m {
		m[i] = &pb.Submission{Number: uint64(i)}
	}
	if each := testing.AllocsPerRun(10, func() { d.begin(t.Context(), m) }) / n; each > 1.1 {
		t.Errorf("a transaction that is refused costs %.2f objects", each)
	}
}
