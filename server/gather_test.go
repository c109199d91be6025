package server

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// ends is for pages of which nobody waits for the end.
func ends(int, int) {}

// TestPagesGoBackTogether: the answers to one message are one message, unless one of
// them takes long: then it holds up the others by a millisecond.
func TestPagesGoBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // the late answers are sent by the timer
		var sent []int
		var at []time.Duration
		begin := time.Now()
		send := func(m *pb.SubmitResponse) {
			mu.Lock()
			defer mu.Unlock()
			sent, at = append(sent, len(m.GetOutcomes())), append(at, time.Since(begin))
		}
		p := newPage(3, send, ends)
		for range 3 {
			p.put(&pb.Outcome{})
		}
		if len(sent) != 1 || sent[0] != 3 || at[0] != 0 {
			t.Errorf("three answers went as %v after %v", sent, at)
		}
		sent, at = nil, nil
		p = newPage(3, send, ends)
		p.put(&pb.Outcome{})
		p.put(&pb.Outcome{})
		time.Sleep(50 * time.Millisecond) // in a bubble: the third takes long
		synctest.Wait()
		p.put(&pb.Outcome{})
		if len(sent) != 2 || sent[0] != 2 || sent[1] != 1 || at[0] != linger || at[1] != 50*time.Millisecond {
			t.Errorf("with a late one, answers went as %v after %v", sent, at)
		}
	})
}

// TestPageSleeps: with nothing to send, the timer of a page does not go on: where
// thousands wait for one that takes long, their timers would be all that runs.
func TestPageSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		p := newPage(4, func(m *pb.SubmitResponse) { sent += len(m.GetOutcomes()) }, ends)
		for want := 1; want <= 3; want++ {
			p.put(&pb.Outcome{})
			time.Sleep(2 * linger)
			synctest.Wait()
			if sent != want {
				t.Fatalf("of %d answers %d were sent", want, sent)
			}
			if p.late.Stop() {
				t.Fatal("the timer runs, and nothing is there")
			}
		}
		p.put(&pb.Outcome{})
		if sent != 4 {
			t.Errorf("of 4 answers %d were sent", sent)
		}
	})
}

// quick is a Backend that commits, "late" only when it is told to.
type quick struct {
	mainstem.Backend
	late chan struct{}
}

func (q quick) Commit(_ context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if t.Group == "late" {
		<-q.late
	}
	return &mainstem.Receipt{}, nil
}

// TestAnswersAreOwed: as long as an answer is being sent, whoever sends it, its stream
// goes on and a server that leaves waits.
func TestAnswersAreOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := quick{late: make(chan struct{})}
		gate := make(chan struct{})
		s := New(b)
		d := &desk{server: s, backend: b, under: s.commits.open(), send: func(m *pb.SubmitResponse) {
			if len(m.GetOutcomes()) == 2 { // what the timer sends
				<-gate
			}
		}}
		s.commits.taken.Store(s.commits.places() - 4) // by others: two places are left for a stream
		one := func(n uint64, group string) *pb.Submission {
			return &pb.Submission{Number: n, Transaction: &pb.Transaction{Group: group, Attempt: 1}}
		}
		d.begin(t.Context(), []*pb.Submission{one(1, "late"), one(2, "g"), one(3, "too many")})
		time.Sleep(2 * linger)
		close(b.late)
		synctest.Wait()
		closed, drained := make(chan struct{}), make(chan error, 1)
		go func() { d.close(); close(closed) }()
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("the stream ended while an answer was sent")
		case err := <-drained:
			t.Errorf("the server has left while an answer was sent: %v", err)
		default:
		}
		close(gate)
		<-closed
		if err := <-drained; err != nil || d.under.taken.Load() != 0 {
			t.Errorf("%v, %d places are taken", err, d.under.taken.Load())
		}
	})
}

// TestLargePagesAreSplit: by their size, and never into nothing.
func TestLargePagesAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // or the first ones go while the last is made
		var sent []int
		p := newPage(5, func(m *pb.SubmitResponse) { sent = append(sent, len(m.GetOutcomes())) }, ends)
		for range 5 {
			reply := bytes.Repeat([]byte("r"), pageBytes/2)
			p.put(&pb.Outcome{Outcome: &pb.Outcome_Receipt{Receipt: &pb.Receipt{Answer: &pb.Receipt_ReplyBase64{ReplyBase64: reply}}}})
		}
		all := 0
		for _, n := range sent {
			if all += n; n < 1 || n > 2 {
				t.Errorf("a message has %d answers of half its size", n)
			}
		}
		if all != 5 {
			t.Errorf("%d of 5 answers were sent", all)
		}
	})
}

// TestSilenceIsBroken: a feed that has nothing new says that it is there, and one
// that has, does not.
func TestSilenceIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats, batches atomic.Int64
		var away atomic.Bool
		gone, failed := errors.New("the client is gone"), make(chan error, 1)
		p := startPulse(func() error {
			beats.Add(1)
			if away.Load() {
				return gone
			}
			return nil
		}, func(err error) { failed <- err })
		time.Sleep(3*Heartbeat + time.Second) // in a bubble
		synctest.Wait()
		if n := beats.Load(); n != 3 {
			t.Errorf("%d signs of life in %s", n, 3*Heartbeat)
		}
		for range 20 {
			time.Sleep(Heartbeat / 2)
			if err := p.send(func() error { batches.Add(1); return nil }); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if n, m := beats.Load(), batches.Load(); n != 3 || m != 20 {
			t.Errorf("%d signs of life, %d batches", n, m)
		}
		away.Store(true)
		time.Sleep(2 * Heartbeat)
		if err, n := <-failed, beats.Load(); !errors.Is(err, gone) || n != 4 {
			t.Errorf("a client that is gone: %v after %d signs of life", err, n)
		}
		p.stop()
		time.Sleep(2 * Heartbeat)
		if beats.Load() != 4 {
			t.Error("a sign of life after the end")
		}
	})
}

func TestPlacesAreBounded(t *testing.T) {
	p := places{most: 3, noun: "views"}
	for range 3 {
		if err := p.take(1); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := p.take(1); mainstem.CodeOf(err) != mainstem.Overloaded {
			t.Errorf("beyond the limit: %v", err)
		}
	}
	p.free(1)
	if err := p.take(1); err != nil {
		t.Errorf("after one was given back: %v", err)
	}
	s := New(nil)
	if s.views.most != LimitViews || s.feeds.most != LimitFeeds {
		t.Errorf("views %d, feeds %d", s.views.most, s.feeds.most)
	}
}
