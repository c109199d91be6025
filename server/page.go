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

	mu    sync.Mutex
	ready []*pb.Outcome
	left  int // answers to come
	late  *time.Timer
}

func newPage(n int, send func(*pb.SubmitResponse)) *page { return &page{send: send, left: n} }

// put adds an answer. Whoever adds the last one sends them.
func (p *page) put(o *pb.Outcome) {
	p.mu.Lock()
	p.ready = append(p.ready, o)
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
	ready := p.ready
	p.ready = nil
	switch {
	case p.late == nil:
	case p.left == 0:
		p.late.Stop()
	default:
		p.late.Reset(linger)
	}
	p.mu.Unlock()
	for len(ready) > 0 {
		n := fill(ready)
		p.send(&pb.SubmitResponse{Outcomes: ready[:n]})
		ready = ready[n:]
	}
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
