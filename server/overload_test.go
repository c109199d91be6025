package server

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// paced is a Backend that commits one transaction after the other, each in the same
// time.
type paced struct {
	mainstem.Backend
	each time.Duration
	mu   sync.Mutex
	next time.Time
}

func (p *paced) Commit(context.Context, *mainstem.Transaction) (*mainstem.Receipt, error) {
	p.mu.Lock()
	if now := time.Now(); p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(p.each)
	wait := time.Until(p.next)
	p.mu.Unlock()
	<-time.After(wait) // in a bubble
	return &mainstem.Receipt{Position: 1}, nil
}

// flood is what one second of arrivals came to.
type flood struct {
	mu                  sync.Mutex
	began               map[uint64]time.Time
	done, refused       int
	slowest, lateRefuse time.Duration
}

func (f *flood) hear(m *pb.SubmitResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range m.GetOutcomes() {
		took := time.Since(f.began[o.GetNumber()])
		delete(f.began, o.GetNumber())
		if o.GetError() != nil {
			f.refused++
			f.lateRefuse = max(f.lateRefuse, took)
			continue
		}
		f.done++
		f.slowest = max(f.slowest, took)
	}
}

// take is what it came to since the last time.
func (f *flood) take() (done, refused int, slowest, lateRefuse time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done, refused, slowest, lateRefuse = f.done, f.refused, f.slowest, f.lateRefuse
	f.done, f.refused, f.slowest, f.lateRefuse = 0, 0, 0, 0
	return done, refused, slowest, lateRefuse
}

// TestOverload: asked for ten times what it can do, whoever answers or not, a server
// does what it can, tells the others at once, and what it has let in does not get
// old. When the crowd is gone it is as before, within seconds.
func TestOverload(t *testing.T) {
	for _, capacity := range []int{600, 2000} {
		t.Run(strconv.Itoa(capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { overload(t, capacity) })
		})
	}
}

func overload(t *testing.T, capacity int) {
	const streams = 16
	s := New(&paced{each: time.Second / time.Duration(capacity)})
	f := &flood{began: map[uint64]time.Time{}}
	desks := make([]*desk, streams)
	for i := range desks {
		desks[i] = &desk{server: s, backend: s.backend, under: s.commits.open(), send: f.hear}
	}
	number := uint64(0)
	second := func(arrivals int) {
		const steps = 100
		for step := range steps {
			m := &pb.SubmitRequest{}
			f.mu.Lock()
			for range arrivals / steps {
				number++
				f.began[number] = time.Now()
				m.Submissions = append(m.Submissions, &pb.Submission{Number: number, Transaction: &pb.Transaction{Group: "g", Id: strconv.FormatUint(number, 10)}})
			}
			f.mu.Unlock()
			desks[step%streams].begin(t.Context(), m.GetSubmissions())
			<-time.After(time.Second / steps) // in a bubble
		}
	}
	second(capacity / 2)
	if done, refused, slowest, _ := f.take(); refused > 0 || done < capacity/2*9/10 || slowest > 100*time.Millisecond {
		t.Errorf("half of what it can: %d done, %d refused, the slowest took %s", done, refused, slowest)
	}
	for i := range 30 {
		second(10 * capacity)
		done, _, slowest, late := f.take()
		if done < capacity*8/10 || late > 50*time.Millisecond {
			t.Errorf("ten times what it can: %d of %d done in a second, the last refusal came after %s", done, capacity, late)
		}
		if i >= 20 && slowest > time.Second {
			t.Errorf("after %d seconds of it the slowest took %s", i, slowest)
		}
	}
	for range 5 { // the crowd is gone
		second(capacity / 2)
	}
	f.take()
	second(capacity / 2)
	if done, refused, slowest, _ := f.take(); refused > 0 || done < capacity/2*9/10 || slowest > 100*time.Millisecond {
		t.Errorf("five seconds after: %d done, %d refused, the slowest took %s", done, refused, slowest)
	}
	for _, d := range desks {
		d.close()
		d.under.close()
	}
}
