package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// TestGreedyClientsLeavePlaces: where many streams, in turns, have taken all that they
// get, one that comes late is let in.
func TestGreedyClientsLeavePlaces(t *testing.T) {
	const streams, rounds, each = 50, 41, 16
	b := gated{mainstemtest.Open(t).Backend(), make(chan struct{})}
	handler := server.New(b)
	base := mainstemtest.ServeHandler(t, handler)
	transactions := func() (running, refused int) {
		for _, c := range handler.Figures().Calls {
			if c.Call == server.CallTransaction {
				running, refused = int(c.Running), int(c.Failed[mainstem.Overloaded])
			}
		}
		return running, refused
	}
	client := rpc(t, base)
	var greedy [streams]*connect.BidiStreamForClient[pb.SubmitRequest, pb.SubmitResponse]
	for i := range greedy {
		greedy[i] = client.Submit(t.Context())
		defer greedy[i].CloseResponse() // what is answered is not looked at
		defer greedy[i].CloseRequest()
	}
	asked := 0
	for range rounds {
		for _, stream := range greedy {
			m := &pb.SubmitRequest{}
			for range each {
				asked++
				m.Submissions = append(m.Submissions, &pb.Submission{Number: uint64(asked), Transaction: &pb.Transaction{Group: "g", Id: fmt.Sprint(asked)}})
			}
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the greedy ones have what they get", func() bool {
			running, refused := transactions()
			return running+refused == asked
		})
	}
	before, _ := transactions()
	if before >= server.LimitCommits || before < server.LimitCommits*9/10 || asked <= server.LimitCommits {
		t.Errorf("of %d transactions %d run; the limit is %d", asked, before, server.LimitCommits)
	}
	late, err := remote.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	did := make(chan error, 1)
	go func() {
		_, err := late.Backend().Commit(ctx, &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "late"}, Attempt: 1})
		did <- err
	}()
	eventually(t, "the late one is let in", func() bool {
		running, _ := transactions()
		return running == before+1
	})
	close(b.gate)
	if err := <-did; err != nil {
		t.Error(err)
	}
}

// narrow is a Backend that commits few transactions at a time, each in the same time.
type narrow struct {
	mainstem.Backend
	gates chan struct{}
	each  time.Duration
}

func (n narrow) Commit(ctx context.Context, _ *mainstem.Transaction) (*mainstem.Receipt, error) {
	select {
	case n.gates <- struct{}{}:
	case <-ctx.Done():
		return nil, mainstem.Errorf(mainstem.Undecided, "%w", context.Cause(ctx))
	}
	defer func() { <-n.gates }()
	<-time.After(n.each) // in a bubble
	return &mainstem.Receipt{Position: 1}, nil
}

// TestUnaryStormLeavesOthersServed: a thousand clients that repeat Commit calls whatever
// comes of them, each over a connection of its own, are served in part and refused in
// part, and those that are polite do not notice: on a stream, and with single calls once the
// storm is over.
func TestUnaryStormLeavesOthersServed(t *testing.T) {
	const wild, polite, lasts, each = 1000, 5, 3 * time.Second, 8 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		handler := server.New(narrow{gates: make(chan struct{}, 4), each: each})
		handler.BoundCommits(wild) // as a database does that is as slow as this one
		b := enter(t, handler)
		ctx, end := context.WithTimeout(t.Context(), lasts)
		defer end()
		client := b.http(false)
		client.Transport.(*http.Transport).DisableKeepAlives = true
		var all sync.WaitGroup
		s := &unaryStorm{}
		for range wild {
			all.Go(func() { s.rage(ctx, t, client) })
		}
		time.Sleep(lasts / 2) // the storm is there, and the server knows
		for range polite {
			all.Go(func() { talk(ctx, t, b.rpc().Submit(ctx)) })
		}
		all.Wait()
		done, refused, other := s.done.Load(), s.refused.Load(), s.other.Load()
		t.Logf("the storm: %d done, %d refused", done, refused)
		if done < int64(lasts/each)*4*8/10 || refused == 0 || other > 0 {
			t.Errorf("the storm: %d done, %d refused, %d of anything else", done, refused, other)
		}
		if _, err := b.rpc().Commit(t.Context(), connect.NewRequest(&pb.CommitRequest{Transaction: &pb.Transaction{Group: "g", Id: "after"}})); err != nil {
			t.Errorf("after the storm: %v", err)
		}
	})
}

// unaryStorm counts what many clients came to.
type unaryStorm struct{ done, refused, other atomic.Int64 }

// rage calls Commit again and again.
func (s *unaryStorm) rage(ctx context.Context, t *testing.T, client *http.Client) {
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://pipe"+service+"Commit", strings.NewReader(aCommit))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.other.Add(1)
		case response.StatusCode == http.StatusOK:
			s.done.Add(1)
		case response.StatusCode == http.StatusTooManyRequests:
			s.refused.Add(1)
		default:
			s.other.Add(1)
		}
		if err == nil {
			_ = response.Body.Close() // its status is what counts
		}
		<-time.After(500 * time.Millisecond) // in a bubble
	}
}

// talk sends one transaction after the other on a stream.
func talk(ctx context.Context, t *testing.T, stream *connect.BidiStreamForClient[pb.SubmitRequest, pb.SubmitResponse]) {
	defer stream.CloseResponse() // what was
	defer stream.CloseRequest()  // received counts
	for n := uint64(1); n <= 3 && ctx.Err() == nil; n++ {
		began := time.Now()
		one := &pb.Submission{Number: n, Transaction: &pb.Transaction{Group: "g", Id: fmt.Sprint(n)}}
		if err := stream.Send(&pb.SubmitRequest{Submissions: []*pb.Submission{one}}); err != nil {
			t.Errorf("a polite one: %v", err)
			return
		}
		for heard := 0; heard == 0; {
			m, err := stream.Receive()
			if err != nil {
				t.Errorf("a polite one: %v", err)
				return
			}
			heard = len(m.GetOutcomes())
			for _, o := range m.GetOutcomes() {
				if o.GetError() != nil {
					t.Errorf("a polite one is refused: %v", o.GetError())
				}
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("a polite one waited for %s", took)
		}
	}
}
