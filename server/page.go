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

	mu      sync.Mutex
	ready   []*pb.Outcome // to what ran
	refused []*pb.Outcome
	left    int // answers to come
	late    *time.Timer
	armed   bool // late is to flush what is there
}

func newPage(n int, send func(*pb.SubmitResponse), gone func(answers, ran int)) *page {
	return &page{send: send, gone: gone, left: n}
}

// refuse adds the answers to what never ran.
func (p *page) refuse(all []*pb.Outcome) {
	if len(all) > 0 {
		p.add(&p.refused, all...)
	}
}

// put adds the answer to what ran.
func (p *page) put(o *pb.Outcome) { p.add(&p.ready, o) }

// add adds answers to a list. Whoever adds the last one sends them.
func (p *page) add(to *[]*pb.Outcome, all ...*pb.Outcome) {
	p.mu.Lock()
	*to = append(*to, all...)
	p.left -= len(all)
	last := p.left == 0
	switch {
	case last || p.armed:
	case p.late == nil:
		p.late = time.AfterFunc(linger, p.flush)
	default:
		p.late.Reset(linger)
	}
	p.armed = !last
	p.mu.Unlock()
	if last {
		p.flush()
	}
}

// flush sends what is there, if anything is. What was sent makes room at once, though
// the rest may still wait for its reader.
func (p *page) flush() {
	p.mu.Lock()
	refused := len(p.refused)
	all := append(p.refused, p.ready...)
	p.ready, p.refused = nil, nil
	if p.armed = false; p.late != nil {
		p.late.Stop()
	}
	p.mu.Unlock()
	for len(all) > 0 {
		n := fill(all)
		p.send(&pb.SubmitResponse{Outcomes: all[:n]})
		all = all[n:]
		p.gone(n, max(0, n-refused))
		refused = max(0, refused-n)
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
