package server

import (
	"context"
	"sync"

	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// frame is about the most bytes of a message with answers. One answer alone can be
// larger: it has up to 4,096 results and a reply of 256 KiB.
const frame = 1 << 20

// answers are those of one stream that wait to be sent. What waits is sent
// together. They are bounded: who sends and does not read is no longer read from.
type answers struct {
	mu     sync.Mutex
	change *sync.Cond
	queue  []*pb.Outcome
	most   int
	closed bool
}

func newAnswers(most int) *answers {
	a := &answers{most: most}
	a.change = sync.NewCond(&a.mu)
	return a
}

func (a *answers) put(o *pb.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, o)
	a.change.Broadcast()
}

// room waits until so few answers wait that one more transaction may be begun.
func (a *answers) room(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) < a.most {
		return ctx.Err()
	}
	stop := context.AfterFunc(ctx, func() {
		a.mu.Lock() // or it could fall between the check and the wait
		defer a.mu.Unlock()
		a.change.Broadcast()
	})
	defer stop()
	for len(a.queue) >= a.most && ctx.Err() == nil {
		a.change.Wait()
	}
	return ctx.Err()
}

// close ends send once everything is sent.
func (a *answers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.change.Broadcast()
}

// send sends until closed, or until nobody hears it.
func (a *answers) send(to func(*pb.SubmitResponse) error) error {
	for {
		batch := a.take()
		if batch == nil {
			return nil
		}
		for len(batch) > 0 {
			n := fill(batch)
			if err := to(&pb.SubmitResponse{Outcomes: batch[:n]}); err != nil {
				return err
			}
			batch = batch[n:]
		}
	}
}

// fill is how many answers make a frame, at least one.
func fill(batch []*pb.Outcome) int {
	size := 0
	for i, o := range batch {
		r := o.GetReceipt()
		size += 256 + len(r.GetReply()) + len(r.GetReplyBase64()) + 16*len(r.GetResults()) + len(o.GetError().GetMessage())
		if size > frame && i > 0 {
			return i
		}
	}
	return len(batch)
}

// take waits for answers; nil means closed and empty.
func (a *answers) take() []*pb.Outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) == 0 && !a.closed {
		a.change.Wait()
	}
	batch := a.queue
	a.queue = nil
	a.change.Broadcast()
	return batch
}
