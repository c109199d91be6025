package remote

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// bare is a lane without a stream: a test takes its messages and brings the answers.
type bare struct {
	*lane
	t *testing.T
}

func newBare(t *testing.T) bare {
	l := &lane{address: "a", throttle: newThrottle("a"), wake: make(chan struct{}, 1), sent: map[uint64]*submission{}}
	l.later = time.AfterFunc(overtake, l.knock)
	t.Cleanup(func() { l.later.Stop() })
	return bare{l, t}
}

// wait lets so many transactions wait to be sent.
func (b bare) wait(n int) (all []*submission) {
	b.t.Helper()
	for range n {
		one := &submission{message: &pb.Submission{}, size: 100, answer: make(chan *pb.Outcome, 1)}
		if err := b.queue(one); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// send is how many transactions the next message has.
func (b bare) send() int {
	m, _ := b.next()
	return len(m.GetSubmissions())
}

// refuse is an answer of the server, and accept another.
func (b bare) refuse(number uint64) {
	b.hand([]*pb.Outcome{{Number: number, Outcome: &pb.Outcome_Error{Error: &pb.Error{Code: "overloaded"}}}})
}

func (b bare) accept(number uint64) {
	b.hand([]*pb.Outcome{{Number: number, Outcome: &pb.Outcome_Receipt{Receipt: &pb.Receipt{}}}})
}

// overloaded is how many of them were told so.
func overloaded(all []*submission) (n int) {
	for _, one := range all {
		select {
		case o := <-one.answer:
			if o.GetError().GetCode() == mainstem.Overloaded.String() {
				n++
			}
		default:
		}
	}
	return n
}

// TestRefusalsReachThoseWhoWait: once the server refuses, what has waited to be sent
// for too long is refused here, the oldest first, and was never sent. A server that is
// only slow loses nobody.
func TestRefusalsReachThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newBare(t)
		l.wait(3)
		if n := l.send(); n != 3 {
			t.Fatalf("the first message has %d transactions", n)
		}
		old := l.wait(5)
		time.Sleep(10 * time.Second) // in a bubble
		l.accept(1)
		if n := l.send(); n != 5 {
			t.Errorf("a server was slow, and of 5 who waited %d are sent", n)
		}
		old = l.wait(5)
		time.Sleep(10 * time.Second)
		young := l.wait(2)
		time.Sleep(stale)
		l.refuse(2)
		if n := overloaded(old); n != 5 || len(l.waiting) != 2 {
			t.Errorf("when the server refuses, %d of 5 who have waited for 10 s are refused, %d wait", n, len(l.waiting))
		}
		time.Sleep(time.Nanosecond)
		if n := l.send(); n != 0 || overloaded(young) != 2 {
			t.Errorf("a message has %d transactions that are stale", n)
		}
		if n := len(l.sent); n != 6 {
			t.Errorf("%d transactions are sent, want the 6 without an answer", n)
		}
	})
}

// TestMessagesHaveFewParts: a message has no more parts than a server takes, however small
// they are; one transaction alone always fits.
func TestMessagesHaveFewParts(t *testing.T) {
	l := newBare(t)
	for _, one := range l.wait(5) {
		one.parts = frameParts / 2
	}
	l.waiting[4].parts = frameParts + 2
	if first, second, last := l.send(), l.send(), l.send(); first != 2 || second != 2 || last != 1 {
		t.Errorf("messages of %d, %d and %d transactions", first, second, last)
	}
	most := &mainstem.Transaction{Operations: []mainstem.Operation{mainstem.Append{Events: make([]mainstem.Event, mainstem.LimitOperations)}}}
	if n := partsOf(most); n != 4+mainstem.LimitOperations {
		t.Errorf("%d parts", n)
	}
}

// TestOneMessageUnderPressure: while a server refuses, the next message waits for an
// answer to the one before; half a second after, as many as always are under way.
func TestOneMessageUnderPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newBare(t)
		l.wait(2)
		l.send()
		l.refuse(1)
		under := func() (n int) {
			for n = 0; l.wait(1) != nil && l.send() > 0; n++ {
			}
			return n
		}
		if n := under(); n != 1 {
			t.Errorf("while it refuses %d messages are without an answer", n)
		}
		old := l.wait(1)
		time.Sleep(pressure - time.Nanosecond)
		if n := l.send(); n != 0 || overloaded(old) != 1 {
			t.Errorf("before the server has answered %d transactions are sent in another message", n)
		}
		time.Sleep(pressure)
		for number := range l.last {
			l.accept(number + 1)
		}
		if n := under(); n != frames {
			t.Errorf("half a second after, %d messages are without an answer, want %d", n, frames)
		}
	})
}
