package server_test

import (
	"context"
	"fmt"
	"testing"
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
