package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
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
	behaved, err := openCrowd(s.Address, politeOnes)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, behaved.close()) }()
	wilds := min(wildClients, 2*job.Clients)
	w, err := letLoose(s.Address, wilds)
	if err != nil {
		return f, err
	}
	f, err = measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Closed{Clients: politeOnes, Warm: time.Second, For: d, Opened: opened, Shut: shut}.Run(ctx, func(ctx context.Context, i int) error {
			_, err := behaved.clients[i].Group("polite-"+strconv.Itoa(i)).Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("key", behaved.value); return nil })
			return err
		})
	})
	came, calmErr := w.calm()
	if err = errors.Join(err, calmErr); err != nil {
		return f, err
	}
	seconds := (f.Elapsed + time.Second).Seconds()
	f.RefusedPerS = round(float64(came.Refused) / seconds)
	f.Level = polite
	f.Note = fmt.Sprintf("%d clients with one caller each, beside %d that repeat without a pause what is refused, %d transactions each, and got %s/s done",
		politeOnes, wilds, wildEach, thousands(round(float64(came.Done)/seconds)))
	return f, nil
}

// wildVariable asks a process of this program to be wild clients: "NUMBER ADDRESS". They
// are a process of their own so that who is polite waits for the server, not for them.
const wildVariable = "MAINSTEM_BENCH_WILD"

// cameOf is what came of the transactions of wild clients.
type cameOf struct{ Done, Refused, Other int64 }

// pack is such a process.
type pack struct {
	cmd *exec.Cmd
	in  io.Closer
	out io.Reader
}

// letLoose starts one.
func letLoose(address string, wilds int) (*pack, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &pack{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", wildVariable, wilds, address))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

// calm ends it.
func (p *pack) calm() (c cameOf, err error) {
	err = p.in.Close()
	err = errors.Join(err, json.NewDecoder(p.out).Decode(&c))
	return c, errors.Join(err, p.cmd.Wait())
}

// rageOn is that process: it ends with its input, and says what came of it.
func rageOn(spec string, in io.Reader, out io.Writer) int {
	var wilds int
	var address string
	if _, err := fmt.Sscan(spec, &wilds, &address); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %s=%q: %v\n", wildVariable, spec, err)
		return 1
	}
	raging, calm := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var w wild
	for i := range wilds {
		all.Go(func() { w.rage(raging, address, i) })
	}
	_, _ = io.Copy(io.Discard, in) // its end is what counts
	calm()
	all.Wait()
	if err := json.NewEncoder(out).Encode(cameOf{w.done.Load(), w.refused.Load(), w.other.Load()}); err != nil {
		fmt.Fprintln(os.Stderr, "bench: wild clients:", err)
		return 1
	}
	return 0
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
