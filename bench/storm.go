package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
	"github.com/mainstemdb/mainstem/remote"
)

const (
	wildClients = 1000 // that repeat without a pause, twice the callers at most
	wildEach    = 16   // transactions that each of them has under way at any time
	politeOnes  = 16   // clients that are to be served beside them, with one caller each
)

// storm measures clients that know how to behave beside a thousand that do not.
func storm(ctx context.Context, s *peer.Apart, job *Job, d time.Duration) (f Figure, err error) {
	polite, err := openCrowd(s.Address, politeOnes)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, polite.close()) }()
	raging, calm := context.WithCancel(ctx)
	defer calm()
	var all sync.WaitGroup
	var w wild
	wilds := min(wildClients, 2*job.Clients)
	for i := range wilds {
		all.Go(func() { w.rage(raging, s.Address, i) })
	}
	f, err = measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Closed{Clients: politeOnes, Warm: time.Second, For: d, Opened: opened, Shut: shut}.Run(ctx, func(ctx context.Context, i int) error {
			_, err := polite.clients[i].Group("polite-"+strconv.Itoa(i)).Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("key", polite.value); return nil })
			return err
		})
	})
	calm()
	all.Wait()
	f.RefusedPerS = round(float64(w.refused.Load()) / (f.Elapsed + time.Second).Seconds())
	f.Note = fmt.Sprintf("%d clients with one caller each, beside %d that repeat without a pause what is refused, %d transactions each, and got %s/s done",
		politeOnes, wilds, wildEach, thousands(round(float64(w.done.Load())/(f.Elapsed+time.Second).Seconds())))
	return f, err
}

// wild is what came of the transactions of those who do not.
type wild struct{ done, refused, other atomic.Int64 }

// rage is one of them: it speaks the protocol, and has no manners.
func (w *wild) rage(ctx context.Context, address string, client int) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialContext: (&net.Dialer{Timeout: remote.DialTimeout}).DialContext}
	defer transport.CloseIdleConnections()
	stream := mainstemv1connect.NewDatabaseServiceClient(&http.Client{Transport: transport}, address).Submit(ctx)
	defer stream.CloseResponse() // it ends with ctx, whatever this says
	run, value := fmt.Sprintf("%x-%x-", client, time.Now().UnixNano()), make([]byte, valueBytes)
	n := uint64(0)
	next := func() *pb.Submission {
		n++
		return &pb.Submission{Number: n, Transaction: &pb.Transaction{
			Group: "wild-" + strconv.Itoa(client), Id: run + strconv.FormatUint(n, 36), Attempt: 1,
			Operations: []*pb.Operation{{Operation: &pb.Operation_Put{Put: &pb.Put{Name: "key", Held: &pb.Put_ValueBase64{ValueBase64: value}}}}},
		}}
	}
	first := &pb.SubmitRequest{}
	for range wildEach {
		first.Submissions = append(first.Submissions, next())
	}
	for again := first; stream.Send(again) == nil; {
		m, err := stream.Receive()
		if err != nil {
			return
		}
		again = &pb.SubmitRequest{}
		for _, o := range m.GetOutcomes() {
			switch o.GetError().GetCode() {
			case "":
				w.done.Add(1)
			case mainstem.Overloaded.String():
				w.refused.Add(1)
			default:
				w.other.Add(1)
			}
			again.Submissions = append(again.Submissions, next())
		}
	}
}
