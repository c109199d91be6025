package server

import (
	"sync"
	"time"

	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

const (
	// pageBytes is about the most bytes of a message with answers. One answer alone
	// can be larger: it has up to 4,096 results and a reply of 256 KiB.
	pageBytes = 1 << 20
	// linger is how long answers wait for the others of their page. Transactions
	// that came together mostly end together, in one record; where they do not, one
	// that takes long holds up the others by no more than this.
	linger = time.Millisecond
)

// page gathers the answers to the transactions of one message, so that what came
// together goes back together.
type page struct {
	send func(*pb.SubmitResponse) // one at a time; how it went is its own business
	gone func(answers, ran int)   // so many were sent, as far as that goes, and so many of them to what ran

	mu    sync.Mutex
	ready []*pb.Outcome
	ran   int // of those that are ready, answers to what ran
	left  int // answers to come
	late  *time.Timer
}

func newPage(n int, send func(*pb.SubmitResponse), gone func(answers, ran int)) *page {
	return &page{send: send, gone: gone, left: n}
}

// refuse adds the answer to what never ran.
func (p *page) refuse(o *pb.Outcome) { p.add(o, 0) }

// put adds the answer to what ran.
func (p *page) put(o *pb.Outcome) { p.add(o, 1) }

// add adds an answer. Whoever adds the last one sends them.
func (p *page) add(o *pb.Outcome, ran int) {
	p.mu.Lock()
	p.ready = append(p.ready, o)
	p.ran += ran
	p.left--
	if p.left > 0 && p.late == nil {
		p.late = time.AfterFunc(linger, p.flush)
	}
	last := p.left == 0
	p.mu.Unlock()
	if last {
		p.flush()
	}
}

// flush sends what is there, if anything is.
func (p *page) flush() {
	p.mu.Lock()
	ready, ran := p.ready, p.ran
	p.ready, p.ran = nil, 0
	switch {
	case p.late == nil:
	case p.left == 0:
		p.late.Stop()
	default:
		p.late.Reset(linger)
	}
	p.mu.Unlock()
	answers := len(ready)
	for len(ready) > 0 {
		n := fill(ready)
		p.send(&pb.SubmitResponse{Outcomes: ready[:n]})
		ready = ready[n:]
	}
	p.gone(answers, ran)
}

// fill is how many answers make a message, at least one.
func fill(ready []*pb.Outcome) int {
	size := 0
	for i, o := range ready {
		r := o.GetReceipt()
		size += 256 + len(r.GetReply()) + len(r.GetReplyBase64()) + 16*len(r.GetResults()) + len(o.GetError().GetMessage())
		if size > pageBytes && i > 0 {
			return i
		}
	}
	return len(ready)
}
